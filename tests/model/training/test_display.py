import io

from rich.console import Console

from surtitle.model.training.display import Display


def test_lines_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), width=60)
    display = Display(console)
    with display.stage("diffusion", 3700):
        display.update(1, "first")
        display.update(2, "too soon")
        display.update(61, "chrF 50.0", is_news=True)
    assert console.file.getvalue().splitlines() == [
        "diffusion, 0:00:01 of 1:01:40: first",
        "diffusion, 0:01:01 of 1:01:40: chrF 50.0",
    ]


def test_a_bar_on_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    display = Display(console)
    with display.stage("diffusion", 100):
        display.update(50, "chrF 50.0")
        display.say("between")
    text = console.file.getvalue()
    assert "0:00:50 of 0:01:40" in text and "chrF 50.0" in text and "between" in text

import xml.etree.ElementTree as ET

from surtitle.model.training.curve import HEIGHT, WIDTH, learning_curve
from surtitle.model.training.validation import Point

SVG = "{http://www.w3.org/2000/svg}"


def test_a_line_for_each_stage_and_measure_inside_the_picture() -> None:
    points = [
        Point(stage, 60.0 * minute, minute, 1.0, 8.0 / (minute + 1), 10.0 * minute)
        for stage in ("autoregressive", "joint")
        for minute in range(4)
    ]
    picture = ET.fromstring(learning_curve(points))
    lines = [line.attrib["points"].split() for line in picture.iter(f"{SVG}polyline")]
    assert [len(line) for line in lines] == [4, 4, 4, 4]
    places = [tuple(map(float, place.split(","))) for line in lines for place in line]
    assert all(0 <= x <= WIDTH and 0 <= y <= 2 * HEIGHT for x, y in places)
    chrf, loss = places[:4], places[8:12]
    assert [y for _, y in chrf] == sorted((y for _, y in chrf), reverse=True)  # rises
    assert [y for _, y in loss] == sorted(y for _, y in loss)  # falls
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert "autoregressive" in texts and "joint" in texts and "6 min" in texts


def test_a_single_point() -> None:
    ET.fromstring(learning_curve([Point("joint", 0.0, 0, None, 2.0, 0.0)]))

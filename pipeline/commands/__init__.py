"""The subcommands of `surtitle`, one per file."""

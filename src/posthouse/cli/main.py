"""The ``posthouse`` command: serve, demo, docs, shell, or one operation on a node.

Imports are lazy: what a subcommand needs is loaded when it runs. Exit codes: 0 done, 1 failed, 2 wrong syntax, 3 the node
cannot be reached; then standard error has exactly one line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

_PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}


class _Commands(click.Group):
    """Knows its own commands; any other first word is the noun of an operation."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or _operation_command(cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        return args[0], self.get_command(ctx, args[0]), args[1:]


def _operation_command(noun: str) -> click.Command:
    def run(words: tuple[str, ...]) -> int:
        from posthouse.cli.operate import operate

        given = click.get_current_context().find_root().params
        return operate([noun, *words, *(["--json"] if given["as_json"] else [])], given["config"])

    arguments = [click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)]
    return click.Command(noun, params=list(arguments), callback=run, context_settings=_PASS_ON, add_help_option=False)


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(path_type=Path), help="The node's file; default: $POSTHOUSE_CONFIG or ./node.toml.")
@click.option("--json", "as_json", is_flag=True, help="Show the operation's result as JSON; may also stand behind it.")
@click.option("--version", is_flag=True, help="Show the version.")
@click.pass_context
def posthouse(ctx: click.Context, config: Path | None, *, as_json: bool, version: bool) -> int:
    """Posthouse, a complete mail system.

    posthouse --config node.toml NOUN VERB [ARGUMENT...] [--json] runs one operation on a node; "posthouse help" lists
    them all.
    """
    if version:
        from posthouse import __version__

        click.echo(f"posthouse {__version__}")
        ctx.exit(0)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return 0


@posthouse.command()
@click.option("--config", "own_config", type=click.Path(path_type=Path), help="The node's file.")
@click.pass_context
def serve(ctx: click.Context, own_config: Path | None) -> int:
    """Run a node in the foreground."""
    from posthouse.cli.remote import default_config
    from posthouse.cli.serve import serve as run

    return run(own_config or ctx.find_root().params["config"] or default_config())


@posthouse.command()
@click.option("--json", "as_json", is_flag=True, help="Show results as JSON.")
@click.pass_context
def shell(ctx: click.Context, *, as_json: bool) -> int:
    """Operate a node interactively, or by lines on standard input."""
    from posthouse.cli.remote import default_config
    from posthouse.cli.shell import run

    given = ctx.find_root().params
    return run(given["config"] or default_config(), as_json=as_json or given["as_json"])


@posthouse.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("posthouse-demo"))
@click.option("--once", is_flag=True, help="Stop once the sample mail has gone through.")
def demo(folder: Path, *, once: bool) -> int:
    """Run an all-in-one node with sample users and mail."""
    from posthouse.cli.demo import demo as run

    return run(folder, once=once)


@posthouse.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def docs(folder: Path) -> int:
    """Write the reference (settings, operations, metrics, protocol) into FOLDER."""
    from posthouse.cli.docs import write

    write(folder)
    return 0


def main(arguments: list[str] | None = None) -> None:
    """The program. Never returns; exits with the code that the command gave."""
    try:
        code = posthouse.main(arguments, prog_name="posthouse", standalone_mode=False)
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except click.ClickException as error:
        print(f"posthouse: {' '.join(error.format_message().split())}", file=sys.stderr)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        print("posthouse: interrupted", file=sys.stderr)
        code = 1
    except BrokenPipeError:
        # Whoever read our output has gone; nothing is left to say, and nothing may be written at exit.
        sys.stderr.close()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()

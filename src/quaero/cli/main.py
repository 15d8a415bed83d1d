"""`quaero`: finds the command, runs it, and turns whatever goes wrong into one line and an exit code.

    0 ok · 1 failed · 2 bad input · 3 cancelled · 4 trouble with the store · 78 refused to serve

A command's module is imported when it is called, so `quaero --version` costs next to nothing.
"""

import importlib
import os
import signal
import sys

import click

from quaero.cli import output
from quaero.domain.errors import QuaeroError
from quaero.domain.printable import one_line

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 128 + signal.SIGINT

COMMANDS = {
    "up": "quaero.cli.serving:up",
    "serve": "quaero.cli.serving:serve",
    "work": "quaero.cli.serving:work",
    "run": "quaero.cli.running:run",
    "submit": "quaero.cli.submitting:submit",
    "list": "quaero.cli.jobs:list_",
    "show": "quaero.cli.jobs:show",
    "logs": "quaero.cli.logs:logs",
    "watch": "quaero.cli.watching:watch",
    "cancel": "quaero.cli.actions:cancel",
    "retry": "quaero.cli.actions:retry",
    "rerun": "quaero.cli.actions:rerun",
    "delete": "quaero.cli.actions:delete",
    "documents": "quaero.cli.documents:documents",
    "definitions": "quaero.cli.definitions:definitions",
    "token": "quaero.cli.token:token",
    "doctor": "quaero.cli.care:doctor",
    "backup": "quaero.cli.care:backup",
    "restore": "quaero.cli.care:restore",
    "init": "quaero.cli.care:init",
    "store": "quaero.cli.store:store",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of a name."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called. Raises UsageError, with the nearest one there is."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from quaero.domain.suggest import nearest

            near = nearest(name, COMMANDS)
            raise click.UsageError(f"No such command {name!r}." + (f" Did you mean {near!r}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from quaero import __version__

        click.echo(f"quaero {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="\b\nExamples:\n  quaero up\n  quaero run crawl.toml\n  quaero list --status failed\n  quaero logs 42 -f",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """Quaero runs large fan-out work and lets people watch every part of it live."""


def run(args: list[str] | None = None) -> int:
    """Run one command line; the exit code. Never a traceback for bad input."""
    try:
        answer = cli.main(args, prog_name="quaero", standalone_mode=False)
        output.flush()
        return answer if isinstance(answer, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        output.message(error.format_message())
        return BAD_INPUT
    except click.UsageError as error:
        hint = f" (see `{error.ctx.command_path} --help`)" if error.ctx is not None else ""
        return _told(f"{error.format_message()}{hint}", BAD_INPUT)
    except click.ClickException as error:
        return _told(error.format_message(), BAD_INPUT)
    except QuaeroError as error:
        return _told(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _told("interrupted", INTERRUPTED)
    except output.OutputLostError as error:
        return _told(f"the output cannot be written: {error}", FAILED)
    except output.ReaderGoneError:
        # the flush at exit must not complain either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _told(text: str, code: int) -> int:
    output.message(f"quaero: {one_line(text)}")
    return code


def main() -> None:
    """The entry point of the `quaero` program."""
    sys.exit(run())

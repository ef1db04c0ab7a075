"""`halt400 signing-key`: a key with which commands or operations are signed."""

from typing import Annotated, Literal

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("signing-key")
    def signing_key(
        name: Annotated[str, typer.Argument(help="Name of the key, such as worker-2026.")],
        right: Annotated[
            Literal["commands", "operations", "probes"],
            typer.Argument(help="What it may write: commands (workers), operations (people), probes (scrapers)."),
        ],
    ) -> None:
        """Make a key to sign with: the secret for its owner, and the line by which all others believe it.

        To change a key make one of another name, add its line everywhere, give its secret to the owner, and remove the
        old line when all that it signed is over. See docs/security.md.

        Exit codes: 0 made, 1 the name is wrong.

        Example: halt400 signing-key worker-2026 commands
        """
        from halt400.signing import new_key

        secret, trusted = new_key(name, right)
        typer.echo(f"HALT400_KAFKA_SIGNING_KEY={secret}")
        typer.echo(f"HALT400_KAFKA_SIGNING_TRUSTED={trusted}")

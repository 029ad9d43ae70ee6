"""The hook module of the games."""

from ganforge import Register, hookimpl


@hookimpl
def register_games(register: Register) -> None:
    register(
        "two_player",
        "ganforge_games.two_player:TwoPlayer",
        summary="one generator against one discriminator",
    )

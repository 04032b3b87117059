"""Figures of a bench beside what is wanted of them, for those that exit with 1 if one is worse."""

from __future__ import annotations


class Limits:
    """Keeps what was worse than wanted."""

    def __init__(self) -> None:
        self.troubles: list[str] = []

    def at_most(self, limit: float, what: str, figure: float, digits: int = 0) -> str:
        """A cell of a table: the figure, with its limit in brackets."""
        self.require(figure <= limit, f"{what}: {figure:.3g}, wanted at most {limit:g}")
        return f"{figure:.{digits}f} ({limit:g})"

    def require(self, good: bool, trouble: str) -> None:
        """Keeps the trouble unless all is good."""
        if not good:
            self.troubles.append(trouble)

    def verdict(self) -> bool:
        """Prints what was worse; whether all is well."""
        print("\n".join(self.troubles) or "all as wanted")
        return not self.troubles

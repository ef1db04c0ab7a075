"""Pages of a context: a call that fails since its request was refused raises the refusal."""

from functools import wraps
from typing import Any

from playwright.async_api import Error

from halt400.integrations.playwright_apis import Api, settled
from halt400.integrations.playwright_gate import RouteGate
from halt400.integrations.playwright_traffic import Traffic

__all__ = ["GuardedPages"]

_PROTECTED = "_halt400_protected"
_NAVIGATING = ("go_back", "go_forward", "goto", "reload")


class GuardedPages:
    """Every page that a context has and will have."""

    def __init__(self, api: Api, traffic: Traffic, gate: RouteGate, context: Any) -> None:
        self._api, self._traffic, self._gate = api, traffic, gate
        for page in context.pages:
            self._protect(page)
        context.on("page", self._protect)

    def _protect(self, page: Any) -> None:
        if hasattr(page, _PROTECTED):
            return
        setattr(page, _PROTECTED, True)
        self._gate.protect_routes(page)
        for name in (*_NAVIGATING, "evaluate"):
            setattr(page, name, self._explained(page, name))

    def _explained(self, page: Any, name: str) -> Any:
        plain, navigates = getattr(page, name), name in _NAVIGATING

        async def work(*rest: Any, **more: Any) -> Any:
            if navigates:
                self._traffic.next_navigation(page, is_again=name == "reload")
            await self._gate.update()
            before = self._gate.refusals
            try:
                result = await settled(plain(*rest, **more))
            except Error as error:
                refusal = self._gate.refusal(page, before, of_navigation=navigates)
                if refusal is None:
                    raise
                raise refusal from error
            if navigates and result is not None and result.status == 400 and more.get("wait_until") != "commit":
                await self._traffic.finish(result)
            return result

        @wraps(plain)
        def call(*rest: Any, **more: Any) -> Any:
            return self._api.result_of(work(*rest, **more))

        return call

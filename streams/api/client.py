"""A client of the HTTP API, for the command line; every failure is a `QueryError` that says what to do."""

from typing import Any, Self
from urllib.parse import quote

import httpx
import orjson

from halt400.errors import QueryError
from streams.api.server import base_url
from streams.settings import ApiSettings

__all__ = ["ApiClient"]

TIMEOUT_S = 10.0


class ApiClient:
    """A client of one API, as a context manager.

    Parameters
    ----------
    api
        The address and the token.
    url
        Another address than that of the settings.
    """

    def __init__(self, api: ApiSettings, url: str | None = None) -> None:
        if url is None and api.port == 0:
            raise QueryError(
                "HALT400_API_PORT=0 means any free port, so the address of the API is not known.", "Give --url."
            )
        self.url = (url or base_url(api.host, api.port)).rstrip("/")
        headers = {"Authorization": f"Bearer {api.token.get_secret_value()}"} if api.token else {}
        self._http = httpx.Client(headers=headers, timeout=TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def targets(self, **query: Any) -> dict[str, Any]:
        """Return a page of the targets."""
        return self._get("/v1/targets", query)

    def rates(self, target: str, **query: Any) -> dict[str, Any]:
        """Return one target's rates."""
        return self._get(f"/v1/targets/{quote(target, safe='')}/rates", query)

    def quarantines(self, **query: Any) -> dict[str, Any]:
        """Return a page of the quarantines."""
        return self._get("/v1/quarantines", query)

    def staleness(self) -> str | None:
        """Say how far the answers are behind, None while Kafka answers the API."""
        late = [found for found in self._get("/readyz", {}, statuses=(200, 503))["followers"] if not found["healthy"]]
        if not late:
            return None
        ages = [found["last_contact_age_s"] for found in late]
        since = "since its start" if None in ages else f"for {max(ages):.0f} s"
        topics = ", ".join(sorted(found["topic"] for found in late))
        return f"Kafka has not answered the API at {self.url} {since} ({topics}): what happened meanwhile is not shown."

    def commands(self, **query: Any) -> dict[str, Any]:
        """Return a page of the commands that are still known."""
        return self._get("/v1/commands", query)

    def offences(self, **query: Any) -> dict[str, Any]:
        """Return a page of the recent offences."""
        return self._get("/v1/offences", query)

    def findings(self, **query: Any) -> dict[str, Any]:
        """Return a page of the recent findings."""
        return self._get("/v1/findings", query)

    def dead_letters(self, **query: Any) -> dict[str, Any]:
        """Return a page of the recent dead letters."""
        return self._get("/v1/dead-letters", query)

    def incidents(self, **query: Any) -> dict[str, Any]:
        """Return a page of the incidents."""
        return self._get("/v1/incidents", query)

    def alerts(self, **query: Any) -> dict[str, Any]:
        """Return a page of what was sent."""
        return self._get("/v1/alerts", query)

    def _get(self, path: str, query: dict[str, Any], statuses: tuple[int, ...] = (200,)) -> dict[str, Any]:
        """Send a GET request, without the parameters that are None.

        Raises
        ------
        QueryError
            The API does not answer, or answers with a problem.
        """
        try:
            response = self._http.get(
                f"{self.url}{path}", params={name: value for name, value in query.items() if value is not None}
            )
            answer = orjson.loads(response.content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise QueryError(
                f"No Halt400 API answers at {self.url} ({error or type(error).__name__}).",
                "Start a worker or `halt400 api`, or give its address by --url.",
            ) from error
        except orjson.JSONDecodeError as error:
            raise QueryError(
                f"What answers at {self.url} is no Halt400 API (status {response.status_code}, not JSON).",
                "Give the API's address by --url.",
            ) from error
        if response.status_code in statuses:
            found: dict[str, Any] = answer
            return found
        problem = answer if isinstance(answer, dict) else {}
        if problem.get("code") == "unknown_target" and not problem.get("near"):
            problem["mend"] = "`halt400 rates` lists the targets."
        raise QueryError(
            problem.get("detail") or f"The API at {self.url} answered with status {response.status_code}.",
            problem.get("mend", ""),
        )

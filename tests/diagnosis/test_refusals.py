"""Codes are read as codes wherever they are written; the credential and the state are pointed at, and never shown."""

import pytest

from benchmarks.diagnosis_own import own_cases
from halt400.diagnosis import code_tables, code_words, diagnose
from halt400.diagnosis.empty_sentences import says_nothing
from halt400.diagnosis.error_codes import code_key, read_error_codes
from halt400.diagnosis.exchange import Exchange
from halt400.diagnosis.refusal_phrases import phrase_in
from halt400.diagnosis.server_errors import read_server_error
from halt400.diagnosis.stated_wait import stated_wait
from halt400.records import Request, Response
from tests.diagnosis.builders import get, request

URL = "https://api.shop.example/orders"


def refusal(body: str = "", *headers: tuple[str, str]) -> Response:
    return Response(status=400, headers=list(headers), body=body)


@pytest.mark.parametrize(
    ("body", "headers", "cause"),
    [
        ('{"__type": "com.example#ThrottlingException"}', [], "rate_limited"),
        ("{}", [("x-amzn-errortype", "ExpiredTokenException:http://internal/")], "credential_rejected"),
        ('{"error": "invalid_grant"}', [], "credential_rejected"),
        ('{"error": {"code": "INVALID_CURSOR"}}', [], "expired_state"),
        ('{"errors": [{"extensions": {"code": "THROTTLED"}}]}', [], "rate_limited"),
        ('{"type": "urn:ietf:params:acme:error:badNonce", "status": 400}', [], "expired_state"),
        ('{"type": "https://a.example/problems/too-many-requests"}', [], "rate_limited"),
        ("<Error><Code>ExpiredToken</Code></Error>", [], "credential_rejected"),
        ("<s:Fault><faultcode>wsse:MessageExpired</faultcode></s:Fault>", [], "credential_rejected"),
        ("", [("grpc-status", "8")], "rate_limited"),
        ("", [("WWW-Authenticate", 'Bearer error="invalid_token"')], "credential_rejected"),
        ("error=invalid_client&error_description=x", [], "credential_rejected"),
        ("rate_limited", [], "rate_limited"),
        (
            '{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}',
            [],
            "credential_rejected",
        ),
        ('{"code": 32, "message": "Could not authenticate you"}', [], "credential_rejected"),
    ],
)
def test_a_code_is_read_wherever_a_protocol_puts_it(body, headers, cause):
    found = diagnose(get(URL), refusal(body, *headers))
    assert (found.cause, found.confidence) == (cause, 0.96)
    assert "https://" in " ".join(item.detail for item in found.evidence)


@pytest.mark.parametrize(
    "body",
    [
        '{"code": 17, "message": "Unknown color"}',
        '{"code": 32, "message": "Unknown size"}',
        '{"status": "error", "type": "validation", "reason": "badRequest"}',
        '{"code": "INVALID_TOKEN", "message": "Unexpected token } in JSON at position 4"}',
        '{"error": "invalid_request", "error_description": "Missing parameter: scope"}',
    ],
)
def test_a_number_of_another_api_and_a_code_of_a_defect_decide_nothing(body):
    assert diagnose(request('{"a": 1}'), refusal(body)).cause in ("schema_violation", "unknown")


def test_a_code_decides_before_a_defect_that_is_found_too():
    found = diagnose(request('{"a": 1,}'), refusal('{"__type": "ThrottlingException", "message": "Rate exceeded"}'))
    assert (found.cause, found.blame) == ("rate_limited", "nobody")
    assert found.runners_up[0].cause == "malformed_json"
    words = diagnose(request('{"a": 1,}'), refusal('{"message": "Rate exceeded"}'))
    assert words.cause == "malformed_json"


def test_the_credential_is_pointed_at_and_its_value_never_shown():
    expired = refusal('{"error": "invalid_token"}')
    for one in (
        get(f"{URL}?page=2&api_key=s3cr3tvalue"),
        Request(method="GET", url=URL, headers=[("Authorization", "Bearer s3cr3tvalue")]),
        Request(method="GET", url=URL, headers=[("X-Shop-Access-Token", "s3cr3tvalue")]),
        request("grant_type=refresh_token&refresh_token=s3cr3tvalue", content_type="application/x-www-form-urlencoded"),
        request('{"client_secret": "s3cr3tvalue"}'),
    ):
        found = diagnose(one, expired)
        assert found.cause == "credential_rejected"
        assert found.evidence[0].where in ("url", "header", "body")
        assert found.evidence[0].name is not None
        assert "s3cr3tvalue" not in repr(found)


def test_the_scope_of_an_aws_signature_is_told_without_its_key():
    signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260301/us-east-1/s3/aws4_request, Signature=0f"
    one = Request(method="GET", url=URL, headers=[("Authorization", signed)])
    found = diagnose(one, refusal("<Error><Code>AuthorizationHeaderMalformed</Code></Error>"))
    assert found.evidence[0].detail.endswith("The request is signed for s3 in us-east-1 on 2026-03-01.")
    assert "AKIDEXAMPLE" not in repr(found)


def test_the_remedy_of_a_wrong_region_is_the_right_one():
    says = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"
    body = f"<Error><Code>AuthorizationHeaderMalformed</Code><Message>{says}</Message></Error>"
    assert "Sign for the region eu-west-1" in diagnose(get(URL), refusal(body)).remedy


def test_a_stale_csrf_token_is_expired_state_and_a_missing_one_a_missing_header():
    says = refusal("CSRF verification failed. Request aborted.")
    form = "application/x-www-form-urlencoded"
    assert diagnose(request("csrfmiddlewaretoken=a", content_type=form), says).cause == "expired_state"
    assert diagnose(request("sku=1", content_type=form), says).cause == "missing_required_header"


DATE = ("Date", "Sun, 01 Mar 2026 10:00:00 GMT")


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ([("Retry-After", "30")], "", 30),
        ([("Retry-After", "Sun, 01 Mar 2026 10:02:00 GMT"), DATE], "", 120),
        ([("Retry-After", "Sun, 01 Mar 2026 10:02:00 GMT")], "", None),
        ([("Retry-After", "Sun, 01 Mar 2026 09:00:00 GMT"), DATE], "", None),
        ([("Retry-After", "-1")], "", None),
        ([("Retry-After", "soon")], "", None),
        ([("Retry-After", "99999999999999")], "", None),
        ([("X-RateLimit-Reset", "1772359260"), DATE], "", 60),
        ([("RateLimit", '"default";r=0;t=45')], "", 45),
        ([], '{"retry_after": 0.53}', 1),
        ([], '{"details": [{"retryDelay": "34s"}]}', 34),
        ([], '{"retry_after_ms": 1500}', 2),
        ([], '{"message": "Rate limit reached. Please try again in 2 minutes."}', 120),
        ([], '{"retry_after": true}', None),
    ],
)
def test_the_time_to_wait_is_read_where_it_is_stated(headers, body, seconds):
    exchange = Exchange(get(URL), refusal(body, *headers))
    sentences = ["Rate limit reached. Please try again in 2 minutes."] if "2 minutes" in body else []
    found = stated_wait(exchange, sentences)
    assert (found[0] if found is not None else None) == seconds


def test_the_documented_time_of_a_code_counts_where_the_response_states_none():
    body = '{"error": {"code": 17, "type": "OAuthException", "message": "User request limit reached"}}'
    assert diagnose(get(URL), refusal(body)).retry_after_s == 3600
    assert diagnose(get(URL), refusal(body, ("Retry-After", "30"))).retry_after_s == 30
    assert diagnose(get(URL), refusal('{"message": "token is not valid"}', ("Retry-After", "30"))).retry_after_s is None


@pytest.mark.parametrize(
    "sentence",
    [
        "token must be a string",
        "token is required",
        "password must contain at least 8 characters",
        "limit must be at most 100",
        "Too many items in the batch",
        "The exchange rate must be positive",
        "Unexpected token } in JSON at position 7",
        "Event too far in the past",
        "Invalid session type",
        "cursor must be a string",
        "Unknown field: nonce",
        "The coupon has expired",
        "storage quota exceeded",
        "retry interval must be between 0 and 5000",
        "Invalid value for parameter page",
    ],
)
def test_a_sentence_about_the_form_of_a_field_tells_nothing_else(sentence):
    assert phrase_in(sentence) is None


@pytest.mark.parametrize(
    "sentence", ["An error occurred", "Validation failed for input.", "Oops! Something went wrong."]
)
def test_a_sentence_without_information_is_unknown_and_quoted(sentence):
    assert says_nothing(sentence)
    found = diagnose(request('{"a": 1}'), refusal(f'{{"message": "{sentence}"}}'))
    assert (found.cause, found.evidence[0].detail) == ("unknown", f"The server says: {sentence}")


@pytest.mark.parametrize("sentence", ["price too low", "Error 7", "sku", "Invalid warehouse"])
def test_a_word_or_a_number_of_its_own_is_information(sentence):
    assert not says_nothing(sentence)


def test_hostile_bodies_give_few_codes_and_no_error():
    deep = '{"error":' * 400 + "1" + "}" * 400
    wide = "{" + ",".join(f'"code{number}": "A_B"' for number in range(5000)) + "}"
    many = '{"errors": [' + ",".join('{"code": "A_B"}' for _ in range(5000)) + "]}"
    for body in (deep, wide, many, "<Code>" * 5000, "error=" * 5000, '{"code": [[[["A_B"]]]]}'):
        exchange = Exchange(get(URL), refusal(body))
        assert len(read_error_codes(exchange)) <= 24
        diagnose(get(URL), refusal(body))


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("RATE_LIMIT_EXCEEDED", "ratelimitexceeded"),
        ("rateLimitExceeded", "ratelimitexceeded"),
        ("com.amazon.coral.service#UnrecognizedClientException", "unrecognizedclient"),
        ("wsse:FailedCheck", "failedcheck"),
        ("https://a.example/errors/token-expired/", "tokenexpired"),
        ("Error", "error"),
    ],
)
def test_a_code_has_one_key_however_it_is_spelled(code, key):
    assert code_key(code) == key


@pytest.mark.slow
def test_no_sentence_is_lost_to_the_search_for_stems():
    """Beyond ASCII the expressions are tried without it, and say the same."""
    for case in own_cases():
        response = case["broken"].get("response") or {}
        exchange = Exchange(get(URL), refusal(response.get("body") or ""))
        for sentence in (said[:380] for said in read_server_error(exchange).sentences[:4]):
            found, whole = phrase_in(sentence), phrase_in(f"{sentence}…")
            assert (found and found[:2]) == (whole and whole[:2]), sentence


def test_a_code_cites_the_text_that_has_it_and_a_word_is_no_code():
    """Each row of a list has an address; what no list has is apart, and says so in the evidence."""
    rows = (*code_tables.CODES, *code_tables.AMBIGUOUS_CODES)
    assert all(row[2].startswith("https://") for row in rows)
    listed = {code_key(code) for row in rows for code in row[3].split()}
    words = [code_key(word) for row in code_words.WORDS for word in row[2].split()]
    assert len(words) == len(set(words)), "each word stands once"
    assert not listed & set(words), "what a list has is cited there"
    told = [diagnose(get(URL), refusal(f'{{"code": "{code}"}}')) for code in ("M_UNKNOWN_POS", "cursor_expired")]
    assert [found.cause for found in told] == ["expired_state"] * 2
    assert "4186-simplified-sliding-sync" in told[0].evidence[0].detail
    assert told[1].evidence[0].detail.endswith("its words say so")


def test_a_token_request_whose_code_is_refused_by_field_is_a_grant_and_another_request_is_not():
    body = (
        '{"message": "Bad Request", "errors": [{"resource": "AuthorizationCode", "field": "code", "code": "invalid"}]}'
    )
    causes = [
        diagnose(
            Request(
                method="POST",
                url="https://a.example/x",
                headers=[("Content-Type", "application/x-www-form-urlencoded")],
                body=sent,
            ),
            Response(status=400, body=body),
        ).cause
        for sent in ("code=c7&grant_type=authorization_code", "code=c7&page=2")
    ]
    assert causes == ["credential_rejected", "schema_violation"]


def test_a_signed_time_is_pointed_at_before_the_key():
    headers = [("api-key", "k7"), ("api-expires", "1534097400")]
    refusal = Response(status=400, body='{"error": {"message": "This request has expired"}}')
    found = diagnose(Request(method="GET", url="https://a.example/x", headers=headers), refusal)
    assert (found.cause, found.evidence[0].name) == ("credential_rejected", "api-expires")

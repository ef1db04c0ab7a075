"""Words that many APIs use as codes, in the sense that the words have: cause, remedy, words. Pure data.

They are no codes of a list, so there is none to cite: ``token_expired`` tells what it tells whoever writes it. `code_tables` has the codes of documented lists.
"""

# ruff: noqa: E501 - a table of codes reads best with one entry a line
from __future__ import annotations

from halt400.records import Cause

__all__ = ["WORDS"]

_C: Cause = "credential_rejected"
_R: Cause = "rate_limited"
_S: Cause = "expired_state"
_T: Cause = "transient"

# cause, kind, words
WORDS: tuple[tuple[Cause, str, str], ...] = (
    (_C, "expired", "expired_access_token auth_token_expired jwt_expired expired_jwt expired_api_key api_key_revoked revoked_token session_token_expired key_expired key_revoked credentials_expired expired_credentials id_token_expired refresh_token_expired expired_refresh_token"),
    (_C, "wrong", "bad_credentials wrong_credentials authentication_failure auth_failed unknown_api_key invalid_key bad_api_key invalid_auth_token invalid_bearer_token invalid_authentication invalid_authentication_token invalid_jwt invalid_user_token bad_token incorrect_credentials invalid_subscription_key invalid_appid invalid_app_id_or_key JsonWebTokenError invalid_client_secret invalid_authorization invalid_authorization_header not_authenticated"),
    (_C, "signature", "invalid_signature signature_invalid signature_mismatch bad_signature signature_expired signature_verification_failed invalid_hmac hmac_mismatch"),
    (_C, "clock", "timestamp_expired invalid_timestamp_signature request_timestamp_expired clock_skew timestamp_out_of_range"),
    (_C, "payment", "payment_required subscription_expired subscription_inactive insufficient_credits insufficient_balance trial_expired plan_expired"),
    (_R, "rate", "over_rate_limit rate_limit_reached rate_limiting request_limit_reached requests_limit too_many_calls throttle over_quota daily_quota_exceeded quota_reached quota_limit_exceeded usage_limit_reached usage_limit_exceeded api_limit_exceeded api_limit_reached call_limit_exceeded over_query_limit over_limit_requests flood_wait flood too_many_login_attempts too_many_attempts too_fast frequency_limit"),
    (_S, "cursor", "cursor_expired cursor_invalid cursor_not_found bad_cursor stale_cursor invalid_page_info page_token_expired bad_page_token invalid_continuation continuation_expired invalid_scroll_id scroll_expired scroll_not_found invalid_after_cursor invalid_sync_token sync_token_expired expired_sync_token invalid_pagination_cursor invalid_starting_after search_session_expired invalid_page_cursor invalid_resume_token resume_token_expired"),
    (_S, "session", "session_invalid invalid_session session_not_found session_timeout session_timed_out no_such_session unknown_session bad_session session_lost guest_session_expired basket_expired cart_expired checkout_expired"),
    (_S, "csrf", "csrf csrf_failed csrf_failure csrf_invalid csrf_mismatch csrf_token_mismatch csrf_token_invalid invalid_csrf invalid_csrf_token bad_csrf_token EBADCSRFTOKEN InvalidAuthenticityToken TokenMismatchException invalid_form_key invalid_antiforgery_token AntiforgeryValidationException"),
    (_S, "nonce", "nonce_expired expired_nonce nonce_invalid stale_nonce replayed_nonce nonce_already_used"),
    (_T, "conflict", "resource_busy busy locked resource_locked concurrent_modification operation_in_progress already_in_progress in_progress not_ready resource_not_ready"),
    (_T, "server", "service_unavailable unavailable maintenance under_maintenance try_again_later retry_later backend_error"),
)  # fmt: skip
"""A code that is one of them, whatever its case and separators, has their meaning where no documented list has another."""

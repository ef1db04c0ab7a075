"""The documented error codes of well-known APIs that tell no defect of the request: cause, remedy, source, codes. Pure data.

Each row has the address of the list that it is from. Its codes are words, which mean the same wherever they are read;
`code_meanings` reads them, and has the numbers, which mean something only beside a sign of their API.
"""

# ruff: noqa: E501 - a table of codes or sources reads best with one entry a line
from __future__ import annotations

from halt400.records import Cause

__all__ = ["AMBIGUOUS_CODES", "CODES", "SOURCES"]

_C: Cause = "credential_rejected"
_R: Cause = "rate_limited"
_S: Cause = "expired_state"
_T: Cause = "transient"

_AWS = "https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html"
_AWS_RETRIES = "https://github.com/boto/botocore/blob/develop/botocore/retries/standard.py"
_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
_DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html"
_KINESIS = "https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html"
_COGNITO = "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html"
_OAUTH = "https://www.rfc-editor.org/rfc/rfc6749#section-5.2"
_BEARER = "https://www.rfc-editor.org/rfc/rfc6750#section-3.1"
_DEVICE = "https://www.rfc-editor.org/rfc/rfc8628#section-3.5"
_DPOP = "https://www.rfc-editor.org/rfc/rfc9449#section-8"
_OIDC = "https://openid.net/specs/openid-connect-core-1_0.html#AuthError"
_ENTRA = "https://learn.microsoft.com/entra/identity-platform/reference-error-codes"
_GRAPH = "https://learn.microsoft.com/graph/errors"
_AZURE = "https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes"
_GOOGLE = "https://cloud.google.com/apis/design/errors"
_GOOGLE_REASONS = "https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto"
_GOOGLE_LEGACY = "https://developers.google.com/youtube/v3/docs/errors"
_GOOGLE_ADS = "https://developers.google.com/google-ads/api/docs/common-errors"
_FIREBASE = "https://firebase.google.com/docs/reference/rest/auth#section-error-response"
_META = "https://developers.facebook.com/docs/graph-api/guides/error-handling"
_META_LIMITS = "https://developers.facebook.com/docs/graph-api/overview/rate-limiting/"
_INSTAGRAM = "https://developers.facebook.com/docs/instagram-platform/api-reference/error-codes"
_INSTAGRAPI = "https://github.com/subzeroid/instagrapi/blob/master/instagrapi/exceptions.py"
_STRIPE = "https://docs.stripe.com/error-codes"
_SHOPIFY = "https://shopify.dev/docs/api/admin-graphql#status-and-error-codes"
_TWILIO = "https://www.twilio.com/docs/api/errors"
_GITHUB = "https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors"
_SLACK = "https://docs.slack.dev/reference/methods/auth.test#errors"
_SPAPI = "https://developer-docs.amazon.com/sp-api/docs/usage-plans-and-rate-limits"
_LWA = "https://developer-docs.amazon.com/sp-api/docs/authorization-errors"
_EBAY = "https://developer.ebay.com/api-docs/static/handling-error-messages.html"
_YELP = "https://docs.developer.yelp.com/docs/fusion-authentication"
_OPENAI = "https://platform.openai.com/docs/guides/error-codes/api-errors"
_ANTHROPIC = "https://docs.anthropic.com/en/api/errors"
_DISCORD = "https://discord.com/developers/docs/topics/opcodes-and-status-codes#json"
_ELASTIC = "https://www.elastic.co/guide/en/elasticsearch/reference/current/paginate-search-results.html"
_SALESFORCE = (
    "https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm"
)
_HUBSPOT = "https://developers.hubspot.com/docs/api/error-handling"
_SQUARE = "https://developer.squareup.com/reference/square/enums/ErrorCode"
_PLAID = "https://plaid.com/docs/errors/"
_AIRTABLE = "https://airtable.com/developers/web/api/errors"
_ACME = "https://www.rfc-editor.org/rfc/rfc8555#section-6.7"
_MATRIX = "https://spec.matrix.org/latest/client-server-api/#standard-error-response"
_X = "https://docs.x.com/x-api/fundamentals/response-codes-and-errors"
_BINANCE = "https://developers.binance.com/docs/binance-spot-api-docs/errors"
_BITGET = "https://www.bitget.com/api-doc/common/error-code/restapi"
_KUCOIN = "https://www.kucoin.com/docs/errors-code/http-error-code"
_ALIYUN = "https://www.alibabacloud.com/help/en/ecs/developer-reference/api-error-codes"
_IBM = "https://cloud.ibm.com/apidocs/iam-identity-token-api"
_CLOUDFLARE = "https://developers.cloudflare.com/fundamentals/api/troubleshooting/"
_BING = "https://learn.microsoft.com/dotnet/api/microsoft.bing.webmaster.api.interfaces.apierrorcode"
_GRPC = "https://github.com/grpc/grpc/blob/master/doc/statuscodes.md"
_WSS = "https://docs.oasis-open.org/wss-m/wss/v1.1.1/os/wss-SOAPMessageSecurity-v1.1.1-os.html"
_HTTP = "https://www.iana.org/assignments/http-problem-types/http-problem-types.xhtml"
_WORDPRESS = "https://developer.wordpress.org/rest-api/using-the-rest-api/authentication/"
_MONDAY = "https://developer.monday.com/api-reference/docs/error-handling"
_OAUTH1 = "https://wiki.oauth.net/w/page/12238543/ProblemReporting"
_OKTA = "https://developer.okta.com/docs/reference/error-codes/"
_AUTH0 = "https://auth0.com/docs/api/authentication"
_WALMART = "https://developer.walmart.com/us-marketplace/docs/error-codes"
_SHOPEE = "https://open.shopee.com/documents"
_LAZADA = "https://open.lazada.com/apps/doc/doc?nodeId=10450&docId=108068"
_NEWSAPI = "https://newsapi.org/docs/errors"
_ZYTE = "https://docs.zyte.com/zyte-api/usage/errors.html"
_SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html"
_VOCABULARY = "https://www.rfc-editor.org/rfc/rfc9457#section-4"
"""Words that APIs without a list that can be cited use as codes, in the sense that the words have."""

# cause, kind, source, codes: one line for what one list says about one thing.
CODES: tuple[tuple[Cause, str, str, str], ...] = (
    (_C, "expired", _AWS, "ExpiredToken ExpiredTokenException TokenRefreshRequired"),
    (_C, "clock", _AWS, "RequestExpired RequestTimeTooSkewed"),
    (_C, "signature", _AWS, "SignatureDoesNotMatch InvalidSignatureException IncompleteSignature IncompleteSignatureException MissingAuthenticationToken MissingAuthenticationTokenException"),
    (_C, "wrong", _AWS, "UnrecognizedClientException InvalidClientTokenId InvalidAccessKeyId InvalidIdentityToken AuthFailure OptInRequired NotAuthorized PendingVerification"),
    (_C, "region", _S3, "AuthorizationHeaderMalformed AuthorizationQueryParametersError"),
    (_C, "wrong", _S3, "InvalidToken InvalidSecurity CredentialsNotSupported NotSignedUp"),
    (_C, "permission", _AWS, "AccessDeniedException UnauthorizedOperation"),
    (_C, "wrong", _COGNITO, "NotAuthorizedException UserNotConfirmedException PasswordResetRequiredException"),
    (_R, "rate", _AWS_RETRIES, "Throttling ThrottlingException ThrottledException RequestThrottledException RequestThrottled TooManyRequestsException ProvisionedThroughputExceededException RequestLimitExceeded BandwidthLimitExceeded LimitExceededException SlowDown EC2ThrottledException TooManyFailedAttemptsException"),
    (_T, "conflict", _AWS_RETRIES, "TransactionInProgressException PriorRequestNotComplete"),
    (_T, "conflict", _DYNAMODB, "ResourceInUseException TransactionConflictException ReplicatedWriteConflictException OperationAborted"),
    (_T, "timeout", _S3, "RequestTimeout RequestTimeoutException"),
    (_S, "cursor", _KINESIS, "ExpiredIteratorException ExpiredNextTokenException InvalidNextToken InvalidNextTokenException InvalidPaginationToken InvalidPaginationTokenException PaginationTokenExpired ExpiredContinuationToken TrimmedDataAccessException InvalidNextMarker InvalidMarker InvalidContinuationToken"),
    (_S, "code", _COGNITO, "ExpiredCodeException CodeMismatchException"),
    (_C, "grant", _OAUTH, "invalid_grant"),
    (_C, "client", _OAUTH, "invalid_client unauthorized_client"),
    (_C, "wrong", _BEARER, "invalid_token"),
    (_C, "permission", _BEARER, "insufficient_scope"),
    (_R, "slow_down", _DEVICE, "slow_down"),
    (_T, "pending", _DEVICE, "authorization_pending"),
    (_S, "code", _DEVICE, "expired_token"),
    (_S, "nonce", _DPOP, "use_dpop_nonce"),
    (_C, "signature", _DPOP, "invalid_dpop_proof"),
    (_C, "login", _OIDC, "interaction_required login_required consent_required account_selection_required"),
    (_T, "server", _OIDC, "temporarily_unavailable"),
    (_C, "wrong", _GRAPH, "InvalidAuthenticationToken ExpiredAuthenticationToken AuthenticationFailed InvalidAuthenticationInfo InvalidAuthenticationTokenTenant TokenExpired Authorization_IdentityNotFound"),
    (_S, "cursor", _GRAPH, "Directory_ExpiredPageToken syncStateNotFound syncStateInvalid resyncRequired resyncChangesApplyDifferences InvalidSkipToken"),
    (_R, "rate", _GRAPH, "ApplicationThrottled TooManyRequests activityLimitReached SubscriptionRequestsThrottled Request_ThrottledTemporarily tooManyRetries"),
    (_T, "server", _AZURE, "ServerBusy OperationTimedOut serviceNotAvailable"),
    (_C, "wrong", _GOOGLE_REASONS, "API_KEY_INVALID ACCESS_TOKEN_EXPIRED ACCOUNT_STATE_INVALID CREDENTIALS_MISSING SESSION_COOKIE_INVALID ACCESS_TOKEN_TYPE_UNSUPPORTED API_KEY_HTTP_REFERRER_BLOCKED API_KEY_IP_ADDRESS_BLOCKED API_KEY_ANDROID_APP_BLOCKED API_KEY_IOS_APP_BLOCKED API_KEY_SERVICE_BLOCKED USER_PROJECT_DENIED CONSUMER_INVALID"),
    (_C, "payment", _GOOGLE_REASONS, "BILLING_DISABLED CONSUMER_SUSPENDED SERVICE_DISABLED"),
    (_R, "rate", _GOOGLE_REASONS, "RATE_LIMIT_EXCEEDED RESOURCE_QUOTA_EXCEEDED"),
    (_C, "wrong", _GOOGLE_LEGACY, "keyInvalid keyExpired authError accessNotConfigured ipRefererBlocked"),
    (_R, "rate", _GOOGLE_LEGACY, "rateLimitExceeded userRateLimitExceeded quotaExceeded dailyLimitExceeded limitExceeded servingLimitExceeded"),
    (_S, "cursor", _GOOGLE_LEGACY, "invalidPageToken pageTokenExpired expiredPageToken fullSyncRequired updatedMinTooLongAgo"),
    (_R, "rate", _GRPC, "RESOURCE_EXHAUSTED"),
    (_C, "wrong", _GOOGLE_ADS, "OAUTH_TOKEN_EXPIRED OAUTH_TOKEN_INVALID OAUTH_TOKEN_REVOKED OAUTH_TOKEN_DISABLED OAUTH_TOKEN_HEADER_INVALID GOOGLE_ACCOUNT_COOKIE_INVALID DEVELOPER_TOKEN_INVALID NOT_ADS_USER"),
    (_R, "rate", _GOOGLE_ADS, "RESOURCE_TEMPORARILY_EXHAUSTED EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION"),
    (_S, "cursor", _GOOGLE_ADS, "EXPIRED_PAGE_TOKEN INVALID_PAGE_TOKEN"),
    (_C, "expired", _FIREBASE, "TOKEN_EXPIRED USER_TOKEN_EXPIRED CREDENTIAL_TOO_OLD_LOGIN_AGAIN"),
    (_C, "wrong", _FIREBASE, "INVALID_ID_TOKEN INVALID_REFRESH_TOKEN INVALID_LOGIN_CREDENTIALS INVALID_PASSWORD EMAIL_NOT_FOUND USER_DISABLED USER_NOT_FOUND INVALID_CUSTOM_TOKEN CREDENTIAL_MISMATCH"),
    (_R, "rate", _FIREBASE, "TOO_MANY_ATTEMPTS_TRY_LATER QUOTA_EXCEEDED"),
    (_S, "code", _FIREBASE, "EXPIRED_OOB_CODE INVALID_OOB_CODE SESSION_EXPIRED INVALID_SESSION_INFO"),
    (_C, "wrong", _INSTAGRAM, "OAuthAccessTokenException OAuthPermissionsException"),
    (_R, "rate", _INSTAGRAM, "OAuthRateLimitException RateLimitException"),
    (_C, "login", _INSTAGRAPI, "checkpoint_required checkpoint_challenge_required challenge_required login_required two_factor_required bad_password consent_required inactive_user"),
    (_R, "rate", _INSTAGRAPI, "feedback_required rate_limit_error ip_block sentry_block"),
    (_C, "wrong", _STRIPE, "api_key_expired platform_api_key_expired secret_key_required testmode_charges_only livemode_mismatch account_invalid"),
    (_R, "rate", _STRIPE, "rate_limit lock_timeout"),
    (_S, "code", _STRIPE, "token_already_used token_in_use"),
    (_T, "conflict", _STRIPE, "charge_already_captured charge_already_refunded payment_intent_unexpected_state setup_intent_unexpected_state idempotency_key_in_use invoice_not_editable intent_invalid_state"),
    (_R, "rate", _SHOPIFY, "THROTTLED"),
    (_C, "permission", _SHOPIFY, "SHOP_INACTIVE"),
    (_C, "grant", _GITHUB, "bad_verification_code bad_refresh_token incorrect_client_credentials"),
    (_C, "wrong", _SLACK, "invalid_auth not_authed token_expired token_revoked account_inactive org_login_required ekm_access_denied team_access_not_granted"),
    (_C, "permission", _SLACK, "missing_scope no_permission not_allowed_token_type"),
    (_R, "rate", _SLACK, "ratelimited rate_limited"),
    (_S, "cursor", _SLACK, "invalid_cursor"),
    (_S, "code", _SLACK, "trigger_expired trigger_exchanged expired_trigger_id exchanged_trigger_id invalid_trigger"),
    (_R, "rate", _SPAPI, "QuotaExceeded RequestThrottled"),
    (_C, "wrong", _LWA, "Unauthorized_access MissingAuthentication InvalidAccessToken"),
    (_C, "wrong", _EBAY, "Invalid_access_token auth_token_invalid AuthToken_hard_expired"),
    (_C, "wrong", _YELP, "TOKEN_INVALID TOKEN_MISSING UNAUTHORIZED_ACCESS_TOKEN UNAUTHORIZED_API_KEY"),
    (_R, "rate", _YELP, "ACCESS_LIMIT_REACHED TOO_MANY_REQUESTS_PER_SECOND"),
    (_C, "wrong", _OPENAI, "invalid_api_key account_deactivated invalid_organization"),
    (_C, "payment", _OPENAI, "billing_hard_limit_reached insufficient_quota billing_not_active"),
    (_R, "rate", _OPENAI, "rate_limit_exceeded tokens_exceeded_rate_limit requests_exceeded_rate_limit"),
    (_C, "wrong", _ANTHROPIC, "authentication_error"),
    (_C, "permission", _ANTHROPIC, "permission_error"),
    (_C, "payment", _ANTHROPIC, "billing_error"),
    (_T, "server", _ANTHROPIC, "overloaded_error"),
    (_S, "cursor", _ELASTIC, "search_context_missing_exception point_in_time_missing"),
    (_C, "wrong", _ELASTIC, "security_exception"),
    (_R, "rate", _ELASTIC, "es_rejected_execution_exception circuit_breaking_exception"),
    (_T, "conflict", _ELASTIC, "resource_already_exists_exception version_conflict_engine_exception cluster_block_exception index_closed_exception snapshot_in_progress_exception process_cluster_event_timeout_exception concurrent_snapshot_execution_exception"),
    (_C, "wrong", _SALESFORCE, "INVALID_SESSION_ID InvalidSessionId INVALID_LOGIN INVALID_AUTH_HEADER LOGIN_MUST_USE_SECURITY_TOKEN PASSWORD_LOCKOUT INACTIVE_OWNER_OR_USER API_DISABLED_FOR_ORG"),
    (_R, "rate", _SALESFORCE, "REQUEST_LIMIT_EXCEEDED ExceededQuota CONCURRENT_REQUESTS_LIMIT_EXCEEDED TXN_SECURITY_METERING"),
    (_S, "cursor", _SALESFORCE, "INVALID_QUERY_LOCATOR INVALID_REPLICATION_DATE"),
    (_T, "conflict", _SALESFORCE, "UNABLE_TO_LOCK_ROW QUERY_TIMEOUT SERVER_UNAVAILABLE ENTITY_IS_LOCKED API_CURRENTLY_DISABLED"),
    (_C, "grant", _HUBSPOT, "BAD_REFRESH_TOKEN BAD_AUTH_CODE EXPIRED_AUTHENTICATION INVALID_AUTHENTICATION MISSING_SCOPES BAD_CLIENT_ID BAD_CLIENT_SECRET"),
    (_R, "rate", _HUBSPOT, "RATE_LIMITS RATE_LIMIT"),
    (_C, "wrong", _SQUARE, "ACCESS_TOKEN_EXPIRED ACCESS_TOKEN_REVOKED CLIENT_DISABLED"),
    (_S, "cursor", _SQUARE, "INVALID_CURSOR"),
    (_C, "wrong", _PLAID, "INVALID_API_KEYS INVALID_ACCESS_TOKEN UNAUTHORIZED_ENVIRONMENT INVALID_CREDENTIALS INVALID_MFA ITEM_LOCKED ACCESS_NOT_GRANTED INSUFFICIENT_CREDENTIALS USER_SETUP_REQUIRED"),
    (_C, "login", _PLAID, "ITEM_LOGIN_REQUIRED"),
    (_R, "rate", _PLAID, "ACCOUNTS_LIMIT AUTH_LIMIT BALANCE_LIMIT ITEM_GET_LIMIT TRANSACTIONS_LIMIT TRANSACTIONS_SYNC_LIMIT INSTITUTIONS_GET_LIMIT INSTITUTION_RATE_LIMIT ADDITION_LIMIT"),
    (_S, "cursor", _PLAID, "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION"),
    (_S, "code", _PLAID, "INVALID_PUBLIC_TOKEN INVALID_LINK_TOKEN"),
    (_T, "pending", _PLAID, "PRODUCT_NOT_READY PLANNED_MAINTENANCE INSTITUTION_DOWN INSTITUTION_NOT_RESPONDING INSTITUTION_NOT_AVAILABLE"),
    (_S, "cursor", _AIRTABLE, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"),
    (_S, "nonce", _ACME, "badNonce"),
    (_C, "signature", _ACME, "badPublicKey badSignatureAlgorithm accountDoesNotExist"),
    (_C, "wrong", _MATRIX, "M_UNKNOWN_TOKEN M_MISSING_TOKEN M_USER_DEACTIVATED"),
    (_R, "rate", _MATRIX, "M_LIMIT_EXCEEDED"),
    (_S, "cursor", _MATRIX, "M_UNKNOWN_POS"),
    (_C, "clock", _ALIYUN, "InvalidTimeStamp.Expired InvalidTimestamp.Expired IllegalTimestamp"),
    (_C, "wrong", _ALIYUN, "InvalidSecurityToken InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive InvalidSecurityToken.Expired"),
    (_S, "nonce", _ALIYUN, "SignatureNonceUsed"),
    (_R, "rate", _ALIYUN, "Throttling.User Throttling.Api ServiceUnavailable.Throttling"),
    (_C, "wrong", _IBM, "BXNIM0415E BXNIM0407E BXNIM0408E BXNIM0439E BXNIM0462E"),
    (_C, "wrong", _WSS, "FailedAuthentication InvalidSecurityToken SecurityTokenUnavailable"),
    (_C, "signature", _WSS, "FailedCheck InvalidSecurity"),
    (_C, "clock", _WSS, "MessageExpired"),
    (_R, "rate", _HTTP, "quota-exceeded temporary-reduced-capacity abnormal-usage-detected"),
    (_S, "nonce", _WORDPRESS, "rest_cookie_invalid_nonce invalid_nonce woocommerce_rest_invalid_nonce"),
    (_C, "wrong", _WORDPRESS, "rest_not_logged_in incorrect_password invalid_username jwt_auth_invalid_token woocommerce_rest_authentication_error jwt_auth_bad_iss"),
    (_S, "cursor", _MONDAY, "CursorExpiredError"),
    (_R, "rate", _MONDAY, "ComplexityException COMPLEXITY_BUDGET_EXHAUSTED maxConcurrencyExceeded"),
    (_C, "wrong", _BING, "InvalidApiKey UserBlocked"),
    (_R, "rate", _BING, "ThrottleUser ThrottleHost"),
    (_S, "nonce", _OAUTH1, "nonce_used"),
    (_C, "clock", _OAUTH1, "timestamp_refused"),
    (_C, "wrong", _OAUTH1, "consumer_key_rejected consumer_key_refused consumer_key_unknown token_used token_rejected additional_authorization_required permission_unknown user_refused"),
    (_S, "session", _OKTA, "E0000005"),
    (_C, "wrong", _OKTA, "E0000004 E0000011 E0000015 E0000017 E0000019 E0000079 E0000119"),
    (_R, "rate", _OKTA, "E0000047"),
    (_C, "login", _AUTH0, "mfa_required invalid_user_password password_leaked requires_verification"),
    (_R, "rate", _AUTH0, "too_many_logins"),
    (_C, "wrong", _WALMART, "UNAUTHORIZED.GMP_GATEWAY_API"),
    (_R, "rate", _WALMART, "REQUEST_THRESHOLD_VIOLATED"),
    (_C, "signature", _SHOPEE, "error_sign"),
    (_C, "wrong", _SHOPEE, "error_auth invalid_acceess_token invalid_partner_id"),
    (_C, "wrong", _LAZADA, "IllegalAccessToken IllegalRefreshToken InvalidAppKey"),
    (_C, "signature", _LAZADA, "InvalidSign IncompleteSignature"),
    (_R, "rate", _LAZADA, "ApiCallLimit AppCallLimit SellerCallLimit"),
    (_R, "rate", _NEWSAPI, "apiKeyExhausted"),
    (_C, "wrong", _NEWSAPI, "apiKeyDisabled"),
    (_R, "rate", _ZYTE, "over-user-limit over-domain-limit over-global-limit"),
    (_C, "wrong", _ZYTE, "key-not-found account-suspended"),
    (_S, "cursor", _SQS, "ReceiptHandleIsInvalid"),
    (_R, "rate", _GOOGLE_LEGACY, "jobRateLimitExceeded"),
    (_C, "expired", _VOCABULARY, "expired_access_token access_token_expired expired_token_error auth_token_expired jwt_expired expired_jwt expired_api_key api_key_revoked revoked_token session_token_expired key_expired key_revoked credentials_expired expired_credentials id_token_expired refresh_token_expired expired_refresh_token TokenExpiredError"),
    (_C, "wrong", _VOCABULARY, "bad_credentials wrong_credentials authentication_failed authentication_failure auth_failed unknown_api_key invalid_key bad_api_key invalid_auth_token invalid_bearer_token invalid_authentication invalid_authentication_token invalid_jwt invalid_user_token bad_token incorrect_credentials invalid_subscription_key invalid_appid invalid_app_id_or_key JsonWebTokenError invalid_client_secret invalid_authorization invalid_authorization_header not_authenticated"),
    (_C, "signature", _VOCABULARY, "invalid_signature signature_invalid signature_mismatch bad_signature signature_expired signature_verification_failed invalid_hmac hmac_mismatch"),
    (_C, "clock", _VOCABULARY, "timestamp_expired invalid_timestamp_signature request_timestamp_expired clock_skew request_expired timestamp_out_of_range"),
    (_C, "payment", _VOCABULARY, "payment_required subscription_expired subscription_inactive insufficient_credits insufficient_balance trial_expired plan_expired"),
    (_R, "rate", _VOCABULARY, "over_rate_limit rate_limit_reached rate_limited_error rate_limiting request_limit_reached requests_limit too_many_requests too_many_calls throttle throttled_request over_quota quota_exceeded daily_quota_exceeded quota_reached quota_limit_exceeded usage_limit_reached usage_limit_exceeded api_limit_exceeded api_limit_reached call_limit_exceeded over_query_limit over_limit_requests flood_wait flood too_many_login_attempts too_many_attempts too_fast frequency_limit"),
    (_S, "cursor", _VOCABULARY, "cursor_expired expired_cursor cursor_invalid cursor_not_found bad_cursor stale_cursor invalid_page_info page_token_expired bad_page_token invalid_continuation continuation_expired invalid_scroll_id scroll_expired scroll_not_found pagination_token_expired invalid_after_cursor invalid_sync_token sync_token_expired expired_sync_token invalid_pagination_cursor invalid_starting_after search_session_expired invalid_page_cursor invalid_resume_token resume_token_expired"),
    (_S, "session", _VOCABULARY, "session_invalid invalid_session session_not_found session_timeout session_timed_out no_such_session unknown_session bad_session session_lost guest_session_expired basket_expired cart_expired checkout_expired"),
    (_S, "csrf", _VOCABULARY, "csrf csrf_failed csrf_failure csrf_invalid csrf_mismatch csrf_token_mismatch csrf_token_invalid invalid_csrf invalid_csrf_token bad_csrf_token EBADCSRFTOKEN csrf_error InvalidAuthenticityToken TokenMismatchException invalid_form_key invalid_antiforgery_token AntiforgeryValidationException badtoken"),
    (_S, "nonce", _VOCABULARY, "nonce_expired expired_nonce nonce_invalid nonce_used stale_nonce replayed_nonce nonce_already_used"),
    (_T, "conflict", _VOCABULARY, "resource_busy busy locked resource_locked concurrent_modification operation_in_progress already_in_progress in_progress not_ready resource_not_ready"),
    (_T, "server", _VOCABULARY, "temporarily_unavailable_error service_unavailable unavailable maintenance under_maintenance server_busy overloaded try_again_later retry_later backend_error"),
)  # fmt: skip
AMBIGUOUS_CODES: tuple[tuple[Cause, str, str, str], ...] = (
    (_C, "wrong", _GRPC, "UNAUTHENTICATED unauthorized authentication_required auth_required auth authorization_error access_token_invalid unauthorised AUTHENTICATION"),
    (_C, "permission", _GRPC, "PERMISSION_DENIED access_denied forbidden"),
)  # fmt: skip

SOURCES = {
    "oauth": _OAUTH,
    "entra": _ENTRA,
    "meta": _META,
    "meta_limits": _META_LIMITS,
    "twilio": _TWILIO,
    "ebay": _EBAY,
    "discord": _DISCORD,
    "x": _X,
    "binance": _BINANCE,
    "bitget": _BITGET,
    "kucoin": _KUCOIN,
    "cloudflare": _CLOUDFLARE,
}
"""The lists that have numbers, by the name of the API."""

"""The documented error codes of well-known APIs that tell no defect of the request: cause, remedy, source, codes. Pure data.

Each row has the address of the text that its codes were read in. The codes are words, which mean the same wherever they are read; `code_meanings` reads them, and has
the numbers, which mean something only beside a sign of their API. Words that no list has, but many APIs use as codes, are in `code_words`.
"""

# ruff: noqa: E501 - a table of codes or sources reads best with one entry a line
from __future__ import annotations

from halt400.records import Cause

__all__ = ["AMBIGUOUS_CODES", "CODES", "SOURCES"]

_C: Cause = "credential_rejected"
_R: Cause = "rate_limited"
_S: Cause = "expired_state"
_T: Cause = "transient"

_AWS = "https://docs.amazonaws.cn/en_us/IAM/latest/APIReference/CommonErrors.html"
_AWS_RETRIES = "https://github.com/boto/botocore/blob/develop/botocore/retries/standard.py"
_S3 = "https://github.com/minio/minio/blob/master/cmd/api-errors.go"
_OAUTH = "https://www.rfc-editor.org/rfc/rfc6749#section-5.2"
_BEARER = "https://www.rfc-editor.org/rfc/rfc6750#section-3.1"
_DEVICE = "https://www.rfc-editor.org/rfc/rfc8628#section-3.5"
_DPOP = "https://github.com/auth0/docs-v2/blob/main/main/docs/authenticate/enterprise-connections/enable-dpop-enterprise-connections.mdx"
_OIDC = "https://github.com/oauthlib/oauthlib/blob/master/oauthlib/openid/connect/core/exceptions.py"
_ENTRA = "https://github.com/MicrosoftDocs/entra-docs/blob/main/docs/identity-platform/reference-error-codes.md"
_GRAPH = "https://github.com/microsoftgraph/microsoft-graph-docs-contrib/blob/main/concepts/errors.md"
_GOOGLE_REASONS = "https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto"
_GOOGLE_ADS = "https://github.com/googleapis/googleapis/tree/master/google/ads/googleads"
_FIREBASE = "https://github.com/firebase/firebase-js-sdk/blob/main/packages/auth/src/api/errors.ts"
_META = "https://developers.facebook.com/docs/graph-api/guides/error-handling"
_META_LIMITS = "https://developers.facebook.com/docs/graph-api/overview/rate-limiting/"
_INSTAGRAPI = "https://github.com/subzeroid/instagrapi/blob/master/instagrapi/exceptions.py"
_STRIPE = "https://github.com/stripe/stripe-go/blob/master/error.go"
_TWILIO = "https://www.twilio.com/docs/api/errors"
_GITHUB = "https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors"
_SLACK = "https://github.com/slackapi/slack-api-specs"
_SPAPI = "https://github.com/amzn/selling-partner-api-models"
_YELP = "https://github.com/lanl/yelpapi/issues/14"
_ANTHROPIC = "https://github.com/anthropics/anthropic-sdk-python/tree/main/src/anthropic/types"
_DISCORD = "https://github.com/discord/discord-api-docs/blob/main/developers/topics/opcodes-and-status-codes.mdx"
_ELASTIC = "https://github.com/elastic/elasticsearch/blob/main/server/src/main/java/org/elasticsearch/ElasticsearchException.java"
_SALESFORCE = "https://github.com/developerforce/Force.com-Toolkit-for-NET"
_HUBSPOT = "https://www.nango.dev/blog/hubspot-oauth-bad-refresh-token"
_SQUARE = "https://github.com/square/square-python-sdk/tree/master/src/square/types"
_PLAID = "https://github.com/plaid/plaid-openapi/blob/master/2020-09-14.yml"
_ACME = "https://github.com/certbot/certbot/blob/main/acme/src/acme/messages.py"
_MATRIX = "https://github.com/matrix-org/matrix-spec"
_X = "https://www.rubydoc.info/gems/twitter/5.16.0/Twitter/Error/Code"
_BINANCE = "https://github.com/binance/binance-spot-api-docs/blob/master/errors.md"
_KUCOIN = "https://github.com/Kucoin/kucoin-api-docs/blob/master/source/localizable/index.html.md"
_ALIYUN = "https://help.aliyun.com/document_detail/48054.html"
_IBM = "https://github.com/IBM/python-sdk-core/blob/main/test/test_iam_token_manager.py"
_CLOUDFLARE = "https://github.com/lablabs/cloudflare-exporter/issues/5"
_BING = "https://learn.microsoft.com/dotnet/api/microsoft.bing.webmaster.api.interfaces.apierrorcode"
_GRPC = "https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto"
_WSS = "https://github.com/apache/ws-wss4j/blob/master/ws-security-common/src/main/java/org/apache/wss4j/common/ext/WSSecurityException.java"
_WORDPRESS = "https://github.com/WP-API/docs/blob/master/frequently-asked-questions.md"
_MONDAY = "https://developer.monday.com/api-reference/docs/error-handling"
_OAUTH1 = "https://github.com/php/pecl-web_services-oauth/blob/master/provider.c"
_OKTA = "https://github.com/okta/okta-developer-docs/blob/master/packages/%40okta/vuepress-site/data/error-codes.json"
_AUTH0 = "https://auth0.com/docs/libraries/error-messages"
_WALMART = "https://developer.walmart.com/suppliers/docs/errors"
_NEWSAPI = "https://newsapi.org/docs/errors"
_ZYTE = "https://github.com/zytedata/python-zyte-api"
_AWS_MODELS = "https://github.com/boto/botocore/tree/develop/botocore/data"
_INTERCOM = "https://developers.intercom.com/docs/references/rest-api/errors/error-codes/"
_GLEAN = "https://developers.glean.com/errors"
_OKX = "https://web3.okx.com/onchainos/docs/waas/marketplace-error-code"
_S3_GUIDE = "https://github.com/awsdocs/amazon-s3-developer-guide"
_EC2_PAGE = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"
_OPENAI_SPEC = "https://github.com/openai/openai-openapi"
_OPENAI_LIMITS = "https://learn.microsoft.com/microsoft-cloud/dev/dev-proxy/concepts/openai-insufficient-quota"
_HUBSPOT_EXPIRED = (
    "https://useparagon.com/integration-error-solutions/hubspot-the-oauth-token-used-to-make-this-call-expired"
)
_S3_MODEL = "https://github.com/boto/botocore/blob/develop/botocore/data/s3/2006-03-01/service-2.json"
_GRAPH_ISSUE = "https://github.com/microsoftgraph/msgraph-sdk-dotnet/issues/2254"
_AZURE_SDK = "https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/storage/azure-storage-blob/azure/storage/blob/_shared/models.py"
_GOOGLE_CLIENT = "https://github.com/googleapis/google-api-python-client/blob/main/tests/data/bad_request.json"
_GOOGLE_CALENDAR = "https://developers.google.com/workspace/calendar/api/guides/errors"
_GOOGLE_REFERRER = "https://gist.github.com/josev55/4f2221751bcef0db5de8"
_GOOGLE_PHP = "https://github.com/googleapis/google-api-php-client/blob/main/src/Task/Runner.php"
_GOOGLE_QUOTA = "https://riptutorial.com/google-analytics-api/topic/7376/error-responses"
_SLACK_VIEWS = "https://hex.pm/packages/slack_kit/1.0.0-alpha.0/files/priv/docs/methods/views.open.json"
_YELP_LIMITS = "https://docs.developer.yelp.com/docs/places-rate-limiting"
_OPENAI_SDK = "https://github.com/openai/openai-python/blob/main/src/openai/types/beta/session_turn_error.py"
_PLAID_SDK = "https://github.com/plaid/plaid-python"
_SALESFORCE_WSDL = "https://github.com/jsforce/jsforce/blob/main/src/api/soap/wsdl.xml"
_MATRIX_SYNC = "https://github.com/matrix-org/matrix-spec-proposals/blob/main/proposals/4186-simplified-sliding-sync.md"
_ALIYUN_CODES = "https://developer.aliyun.com/ask/278265"
_AUTH0_BOTS = "https://github.com/auth0/docs-v2/blob/main/main/docs/secure/attack-protection/bot-detection/bot-detection-native-apps.mdx"
_AUTHLIB = "https://github.com/authlib/authlib/blob/main/authlib/oauth1/rfc5849/errors.py"
_RATE_LIMITS = "https://github.com/ietf-wg-httpapi/ratelimit-headers/blob/main/draft-ietf-httpapi-ratelimit-headers.md"
_WORDPRESS_REST = "https://github.com/WordPress/WordPress/blob/master/wp-includes/rest-api.php"
_MAGENTO = "https://developer.adobe.com/commerce/webapi/get-started/authentication/oauth-errors/"
_WORDPRESS_JWT = "https://github.com/Tmeister/wp-api-jwt-auth"
_WOOCOMMERCE = "https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/class-wc-rest-authentication.php"
_OAUTHLIB = "https://github.com/oauthlib/oauthlib/blob/master/oauthlib/oauth2/rfc6749/errors.py"

# cause, kind, source, codes: one line for what one list says about one thing.
CODES: tuple[tuple[Cause, str, str, str], ...] = (
    (_C, "expired", _AWS, "ExpiredTokenException"),
    (_C, "clock", _AWS, "RequestExpired"),
    (_C, "clock", _S3, "RequestTimeTooSkewed"),
    (_C, "signature", _AWS, "IncompleteSignature MissingAuthenticationToken"),
    (_C, "signature", _S3, "SignatureDoesNotMatch"),
    (_C, "wrong", _AWS, "UnrecognizedClientException InvalidClientTokenId OptInRequired NotAuthorized"),
    (_C, "wrong", _AWS_MODELS, "InvalidIdentityToken"),
    (_C, "wrong", _S3, "InvalidAccessKeyId InvalidTokenId"),
    (_C, "region", _S3, "AuthorizationHeaderMalformed AuthorizationQueryParametersError"),
    (_C, "wrong", _S3_GUIDE, "InvalidSecurity"),
    (_C, "permission", _AWS, "AccessDeniedException"),
    (_C, "permission", _AWS_MODELS, "UnauthorizedOperation"),
    (_C, "wrong", _AWS_MODELS, "NotAuthorizedException UserNotConfirmedException PasswordResetRequiredException"),
    (_R, "rate", _AWS_RETRIES, "Throttling ThrottlingException ThrottledException RequestThrottledException RequestThrottled TooManyRequestsException ProvisionedThroughputExceededException RequestLimitExceeded BandwidthLimitExceeded SlowDown EC2ThrottledException"),
    (_R, "rate", _AWS_MODELS, "TooManyFailedAttemptsException LimitExceededException"),
    (_T, "conflict", _AWS_RETRIES, "TransactionInProgressException PriorRequestNotComplete"),
    (_T, "conflict", _AWS_MODELS, "ResourceInUseException TransactionConflictException ReplicatedWriteConflictException"),
    (_T, "timeout", _AWS_RETRIES, "RequestTimeout RequestTimeoutException"),
    (_S, "cursor", _AWS_MODELS, "ExpiredIteratorException ExpiredNextTokenException InvalidNextToken InvalidNextTokenException InvalidPaginationToken InvalidPaginationTokenException TrimmedDataAccessException"),
    (_S, "code", _AWS_MODELS, "ExpiredCodeException CodeMismatchException"),
    (_C, "grant", _OAUTH, "invalid_grant"),
    (_C, "client", _OAUTH, "invalid_client unauthorized_client"),
    (_C, "wrong", _BEARER, "invalid_token"),
    (_C, "permission", _BEARER, "insufficient_scope"),
    (_R, "slow_down", _DEVICE, "slow_down"),
    (_T, "pending", _DEVICE, "authorization_pending"),
    (_S, "code", _DEVICE, "expired_token"),
    (_S, "cursor", _GRAPH, "syncStateNotFound resyncRequired resyncApplyDifferences resyncUploadDifferences"),
    (_S, "code", _GRAPH, "uploadSessionNotFound lockNotFoundOrAlreadyExpired"),
    (_R, "rate", _GRAPH, "activityLimitReached throttledRequest"),
    (_T, "server", _GRAPH, "serviceNotAvailable serviceReadOnly resourceBeingProvisioned"),
    (_C, "wrong", _GOOGLE_REASONS, "API_KEY_INVALID ACCESS_TOKEN_EXPIRED ACCOUNT_STATE_INVALID CREDENTIALS_MISSING SESSION_COOKIE_INVALID ACCESS_TOKEN_TYPE_UNSUPPORTED API_KEY_HTTP_REFERRER_BLOCKED API_KEY_IP_ADDRESS_BLOCKED API_KEY_ANDROID_APP_BLOCKED API_KEY_IOS_APP_BLOCKED API_KEY_SERVICE_BLOCKED USER_PROJECT_DENIED CONSUMER_INVALID"),
    (_C, "payment", _GOOGLE_REASONS, "BILLING_DISABLED CONSUMER_SUSPENDED SERVICE_DISABLED"),
    (_R, "rate", _GOOGLE_REASONS, "RATE_LIMIT_EXCEEDED RESOURCE_QUOTA_EXCEEDED"),
    (_R, "rate", _GRPC, "RESOURCE_EXHAUSTED"),
    (_C, "wrong", _GOOGLE_ADS, "OAUTH_TOKEN_EXPIRED OAUTH_TOKEN_INVALID OAUTH_TOKEN_REVOKED OAUTH_TOKEN_DISABLED OAUTH_TOKEN_HEADER_INVALID GOOGLE_ACCOUNT_COOKIE_INVALID DEVELOPER_TOKEN_INVALID NOT_ADS_USER"),
    (_R, "rate", _GOOGLE_ADS, "RESOURCE_TEMPORARILY_EXHAUSTED EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION"),
    (_S, "cursor", _GOOGLE_ADS, "EXPIRED_PAGE_TOKEN INVALID_PAGE_TOKEN"),
    (_C, "expired", _FIREBASE, "TOKEN_EXPIRED CREDENTIAL_TOO_OLD_LOGIN_AGAIN"),
    (_C, "wrong", _FIREBASE, "INVALID_ID_TOKEN INVALID_LOGIN_CREDENTIALS INVALID_PASSWORD EMAIL_NOT_FOUND USER_DISABLED USER_NOT_FOUND INVALID_CUSTOM_TOKEN CREDENTIAL_MISMATCH"),
    (_R, "rate", _FIREBASE, "TOO_MANY_ATTEMPTS_TRY_LATER QUOTA_EXCEEDED"),
    (_S, "code", _FIREBASE, "EXPIRED_OOB_CODE INVALID_OOB_CODE SESSION_EXPIRED INVALID_SESSION_INFO"),
    (_C, "login", _INSTAGRAPI, "checkpoint_required challenge_required login_required two_factor_required bad_password consent_required"),
    (_R, "rate", _INSTAGRAPI, "feedback_required rate_limit_error sentry_block"),
    (_C, "wrong", _STRIPE, "api_key_expired platform_api_key_expired secret_key_required testmode_charges_only livemode_mismatch account_invalid"),
    (_R, "rate", _STRIPE, "rate_limit lock_timeout"),
    (_S, "code", _STRIPE, "token_already_used token_in_use"),
    (_T, "conflict", _STRIPE, "charge_already_captured charge_already_refunded payment_intent_unexpected_state setup_intent_unexpected_state idempotency_key_in_use invoice_not_editable intent_invalid_state"),
    (_C, "grant", _GITHUB, "bad_verification_code incorrect_client_credentials"),
    (_C, "wrong", _SLACK, "invalid_auth not_authed token_revoked account_inactive org_login_required ekm_access_denied"),
    (_C, "permission", _SLACK, "missing_scope no_permission not_allowed_token_type"),
    (_R, "rate", _SLACK, "rate_limited"),
    (_S, "cursor", _SLACK, "invalid_cursor"),
    (_S, "code", _SLACK, "trigger_expired trigger_exchanged invalid_trigger"),
    (_R, "rate", _SPAPI, "QuotaExceeded RequestThrottled"),
    (_R, "rate", _OPENAI_SPEC, "rate_limit_exceeded"),
    (_C, "payment", _OPENAI_LIMITS, "insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded project_spend_limit_exceeded"),
    (_C, "wrong", _ANTHROPIC, "authentication_error"),
    (_C, "permission", _ANTHROPIC, "permission_error"),
    (_C, "payment", _ANTHROPIC, "billing_error"),
    (_T, "server", _ANTHROPIC, "overloaded_error"),
    (_S, "cursor", _ELASTIC, "search_context_missing_exception"),
    (_C, "wrong", _ELASTIC, "security_exception"),
    (_R, "rate", _ELASTIC, "es_rejected_execution_exception circuit_breaking_exception"),
    (_T, "conflict", _ELASTIC, "resource_already_exists_exception version_conflict_engine_exception cluster_block_exception index_closed_exception snapshot_in_progress_exception process_cluster_event_timeout_exception concurrent_snapshot_execution_exception"),
    (_C, "wrong", _SALESFORCE, "INVALID_SESSION_ID InvalidSessionId INVALID_LOGIN INVALID_AUTH_HEADER LOGIN_MUST_USE_SECURITY_TOKEN PASSWORD_LOCKOUT INACTIVE_OWNER_OR_USER API_DISABLED_FOR_ORG"),
    (_R, "rate", _SALESFORCE, "REQUEST_LIMIT_EXCEEDED ExceededQuota"),
    (_S, "cursor", _SALESFORCE, "INVALID_QUERY_LOCATOR INVALID_REPLICATION_DATE"),
    (_T, "conflict", _SALESFORCE, "UNABLE_TO_LOCK_ROW QUERY_TIMEOUT SERVER_UNAVAILABLE ENTITY_IS_LOCKED API_CURRENTLY_DISABLED"),
    (_C, "grant", _HUBSPOT, "BAD_REFRESH_TOKEN"),
    (_C, "expired", _HUBSPOT_EXPIRED, "EXPIRED_AUTHENTICATION"),
    (_C, "wrong", _SQUARE, "ACCESS_TOKEN_EXPIRED ACCESS_TOKEN_REVOKED CLIENT_DISABLED"),
    (_S, "cursor", _SQUARE, "INVALID_CURSOR"),
    (_C, "wrong", _PLAID, "INVALID_CREDENTIALS INVALID_MFA ITEM_LOCKED ACCESS_NOT_GRANTED INSUFFICIENT_CREDENTIALS USER_SETUP_REQUIRED"),
    (_C, "login", _PLAID, "ITEM_LOGIN_REQUIRED"),
    (_S, "cursor", _PLAID, "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION"),
    (_S, "code", _PLAID, "INVALID_LINK_TOKEN"),
    (_T, "pending", _PLAID, "PRODUCT_NOT_READY INSTITUTION_DOWN INSTITUTION_NOT_RESPONDING"),
    (_C, "wrong", _MATRIX, "M_UNKNOWN_TOKEN M_MISSING_TOKEN M_USER_DEACTIVATED"),
    (_R, "rate", _MATRIX, "M_LIMIT_EXCEEDED"),
    (_R, "rate", _MONDAY, "ComplexityException COMPLEXITY_BUDGET_EXHAUSTED DAILY_LIMIT_EXCEEDED FIELD_LIMIT_EXCEEDED"),
    (_S, "session", _OKTA, "E0000005"),
    (_S, "code", _OKTA, "E0000105 E0000110"),
    (_C, "expired", _OKTA, "E0000064"),
    (_C, "wrong", _OKTA, "E0000004 E0000011 E0000119"),
    (_C, "permission", _OKTA, "E0000015 E0000079"),
    (_R, "rate", _OKTA, "E0000047 E0000109 E0000118 E0000133 E0000204 E0000205"),
    (_R, "rate", _NEWSAPI, "apiKeyExhausted rateLimited"),
    (_C, "wrong", _NEWSAPI, "apiKeyDisabled apiKeyInvalid apiKeyMissing"),
    (_C, "wrong", _INTERCOM, "token_revoked token_blocked token_not_found token_unauthorized missing_authorization"),
    (_C, "expired", _INTERCOM, "token_expired"),
    (_S, "cursor", _GLEAN, "invalid_cursor expired_cursor"),
    (_R, "rate", _ZYTE, "over-user-limit"),
    (_C, "wrong", _ZYTE, "key-not-found"),
    (_S, "cursor", _AWS_MODELS, "ReceiptHandleIsInvalid"),
    (_C, "expired", _S3_MODEL, "ExpiredToken TokenRefreshRequired"),
    (_C, "wrong", _S3_MODEL, "InvalidToken CredentialsNotSupported NotSignedUp"),
    (_T, "conflict", _S3_MODEL, "OperationAborted"),
    (_S, "cursor", _AWS_MODELS, "PaginationTokenExpiredException InvalidMarkerException"),
    (_C, "wrong", _EC2_PAGE, "AuthFailure PendingVerification"),
    (_S, "cursor", _GRAPH_ISSUE, "Directory_ExpiredPageToken"),
    (_C, "wrong", _AZURE_SDK, "AuthenticationFailed InvalidAuthenticationInfo"),
    (_T, "server", _AZURE_SDK, "ServerBusy OperationTimedOut"),
    (_C, "wrong", _GOOGLE_CLIENT, "keyInvalid"),
    (_C, "wrong", _GOOGLE_CALENDAR, "authError"),
    (_C, "wrong", _GOOGLE_REFERRER, "ipRefererBlocked"),
    (_R, "rate", _GOOGLE_PHP, "userRateLimitExceeded"),
    (_R, "rate", _GOOGLE_QUOTA, "dailyLimitExceeded quotaExceeded"),
    (_S, "code", _SLACK_VIEWS, "expired_trigger_id exchanged_trigger_id"),
    (_C, "wrong", _YELP, "TOKEN_MISSING"),
    (_R, "rate", _YELP_LIMITS, "TOO_MANY_REQUESTS_PER_SECOND"),
    (_C, "payment", _OPENAI_SDK, "billing_not_active"),
    (_C, "wrong", _PLAID_SDK, "INVALID_ACCESS_TOKEN"),
    (_C, "wrong", _SALESFORCE_WSDL, "INVALID_REFRESH_TOKEN"),
    (_T, "pending", _PLAID_SDK, "PLANNED_MAINTENANCE"),
    (_S, "cursor", _MATRIX_SYNC, "M_UNKNOWN_POS"),
    (_C, "clock", _ALIYUN, "InvalidTimeStamp.Expired"),
    (_C, "wrong", _ALIYUN, "InvalidAccessKeyId.NotFound"),
    (_C, "wrong", _ALIYUN_CODES, "InvalidAccessKeyId.Inactive"),
    (_S, "nonce", _ALIYUN, "SignatureNonceUsed"),
    (_R, "rate", _ALIYUN, "Throttling.User Throttling.Api"),
    (_C, "wrong", _IBM, "BXNIM0415E"),
    (_C, "wrong", _BING, "InvalidApiKey UserBlocked"),
    (_R, "rate", _BING, "ThrottleUser ThrottleHost"),
    (_C, "login", _AUTH0, "mfa_required invalid_user_password password_leaked"),
    (_C, "login", _AUTH0_BOTS, "requires_verification"),
    (_R, "rate", _WALMART, "REQUEST_THRESHOLD_VIOLATED"),
    (_S, "nonce", _OAUTH1, "nonce_used"),
    (_C, "clock", _OAUTH1, "timestamp_refused"),
    (_C, "wrong", _OAUTH1, "consumer_key_refused consumer_key_unknown token_used token_rejected"),
    (_C, "wrong", _MAGENTO, "consumer_key_rejected"),
    (_S, "nonce", _AUTHLIB, "invalid_nonce"),
    (_C, "wrong", _WSS, "FailedAuthentication SecurityTokenUnavailable InvalidSecurityToken"),
    (_C, "signature", _WSS, "FailedCheck"),
    (_C, "clock", _WSS, "MessageExpired"),
    (_R, "rate", _RATE_LIMITS, "quota-exceeded temporary-reduced-capacity abnormal-usage-detected"),
    (_C, "wrong", _WORDPRESS, "rest_not_logged_in"),
    (_S, "nonce", _WORDPRESS_REST, "rest_cookie_invalid_nonce"),
    (_C, "wrong", _WORDPRESS_JWT, "jwt_auth_invalid_token jwt_auth_bad_iss"),
    (_C, "wrong", _WOOCOMMERCE, "woocommerce_rest_authentication_error"),
    (_S, "nonce", _ACME, "badNonce"),
    (_C, "signature", _ACME, "badPublicKey badSignatureAlgorithm accountDoesNotExist"),
    (_S, "nonce", _DPOP, "use_dpop_nonce"),
    (_C, "signature", _DPOP, "invalid_dpop_proof"),
    (_C, "login", _OIDC, "interaction_required account_selection_required"),
    (_T, "server", _OAUTHLIB, "temporarily_unavailable"),
)  # fmt: skip
"""Of these each code was read in the text that the row names: a list of the vendor's own, its SDK, or a page that quotes it."""
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
    "discord": _DISCORD,
    "x": _X,
    "binance": _BINANCE,
    "kucoin": _KUCOIN,
    "cloudflare": _CLOUDFLARE,
    "okx": _OKX,
}
"""The lists that have numbers, by the name of the API."""

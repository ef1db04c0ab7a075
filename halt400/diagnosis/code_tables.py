"""The documented error codes of well-known APIs that tell no defect of the request: cause, remedy, source, codes. Pure data.

Each row has the address of the text that its codes were read in; those that were read nowhere are apart. The codes are words, which mean the same wherever they are read;
`code_meanings` reads them, and has the numbers, which mean something only beside a sign of their API.
"""

# ruff: noqa: E501 - a table of codes or sources reads best with one entry a line
from __future__ import annotations

from halt400.records import Cause

__all__ = ["AMBIGUOUS_CODES", "CODES", "SOURCES", "UNREAD_CODES"]

_C: Cause = "credential_rejected"
_R: Cause = "rate_limited"
_S: Cause = "expired_state"
_T: Cause = "transient"

_AWS = "https://docs.amazonaws.cn/en_us/IAM/latest/APIReference/CommonErrors.html"
_AWS_RETRIES = "https://github.com/boto/botocore/blob/develop/botocore/retries/standard.py"
_S3 = "https://github.com/minio/minio/blob/master/cmd/api-errors.go"
_KINESIS = "https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html"
_OAUTH = "https://www.rfc-editor.org/rfc/rfc6749#section-5.2"
_BEARER = "https://www.rfc-editor.org/rfc/rfc6750#section-3.1"
_DEVICE = "https://www.rfc-editor.org/rfc/rfc8628#section-3.5"
_DPOP = "https://www.rfc-editor.org/rfc/rfc9449#section-8"
_OIDC = "https://openid.net/specs/openid-connect-core-1_0.html#AuthError"
_ENTRA = "https://github.com/MicrosoftDocs/entra-docs/blob/main/docs/identity-platform/reference-error-codes.md"
_GRAPH = "https://github.com/microsoftgraph/microsoft-graph-docs-contrib/blob/main/concepts/errors.md"
_AZURE = "https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes"
_GOOGLE_REASONS = "https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto"
_GOOGLE_LEGACY = "https://developers.google.com/youtube/v3/docs/errors"
_GOOGLE_ADS = "https://github.com/googleapis/googleapis/tree/master/google/ads/googleads"
_FIREBASE = "https://github.com/firebase/firebase-js-sdk/blob/main/packages/auth/src/api/errors.ts"
_META = "https://developers.facebook.com/docs/graph-api/guides/error-handling"
_META_LIMITS = "https://developers.facebook.com/docs/graph-api/overview/rate-limiting/"
_INSTAGRAM = "https://developers.facebook.com/docs/instagram-platform/api-reference/error-codes"
_INSTAGRAPI = "https://github.com/subzeroid/instagrapi/blob/master/instagrapi/exceptions.py"
_STRIPE = "https://github.com/stripe/stripe-go/blob/master/error.go"
_SHOPIFY = "https://shopify.dev/docs/api/admin-graphql#status-and-error-codes"
_TWILIO = "https://www.twilio.com/docs/api/errors"
_GITHUB = "https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors"
_SLACK = "https://github.com/slackapi/slack-api-specs"
_SPAPI = "https://github.com/amzn/selling-partner-api-models"
_LWA = "https://developer-docs.amazon.com/sp-api/docs/authorization-errors"
_EBAY = "https://developer.ebay.com/api-docs/static/handling-error-messages.html"
_YELP = "https://docs.developer.yelp.com/docs/fusion-authentication"
_OPENAI = "https://platform.openai.com/docs/guides/error-codes/api-errors"
_ANTHROPIC = "https://github.com/anthropics/anthropic-sdk-python/tree/main/src/anthropic/types"
_DISCORD = "https://github.com/discord/discord-api-docs/blob/main/developers/topics/opcodes-and-status-codes.mdx"
_ELASTIC = "https://github.com/elastic/elasticsearch/blob/main/server/src/main/java/org/elasticsearch/ElasticsearchException.java"
_SALESFORCE = "https://github.com/developerforce/Force.com-Toolkit-for-NET"
_HUBSPOT = "https://www.nango.dev/blog/hubspot-oauth-bad-refresh-token"
_SQUARE = "https://github.com/square/square-python-sdk/tree/master/src/square/types"
_PLAID = "https://github.com/plaid/plaid-openapi/blob/master/2020-09-14.yml"
_AIRTABLE = "https://airtable.com/developers/web/api/errors"
_ACME = "https://www.rfc-editor.org/rfc/rfc8555#section-6.7"
_MATRIX = "https://github.com/matrix-org/matrix-spec"
_X = "https://www.rubydoc.info/gems/twitter/5.16.0/Twitter/Error/Code"
_BINANCE = "https://github.com/binance/binance-spot-api-docs/blob/master/errors.md"
_BITGET = "https://www.bitget.com/api-doc/common/error-code/restapi"
_KUCOIN = "https://github.com/Kucoin/kucoin-api-docs/blob/master/source/localizable/index.html.md"
_ALIYUN = "https://www.alibabacloud.com/help/en/ecs/developer-reference/api-error-codes"
_IBM = "https://cloud.ibm.com/apidocs/iam-identity-token-api"
_CLOUDFLARE = "https://developers.cloudflare.com/fundamentals/api/troubleshooting/"
_BING = "https://learn.microsoft.com/dotnet/api/microsoft.bing.webmaster.api.interfaces.apierrorcode"
_GRPC = "https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto"
_WSS = "https://docs.oasis-open.org/wss-m/wss/v1.1.1/os/wss-SOAPMessageSecurity-v1.1.1-os.html"
_HTTP = "https://www.iana.org/assignments/http-problem-types/http-problem-types.xhtml"
_WORDPRESS = "https://developer.wordpress.org/rest-api/using-the-rest-api/authentication/"
_MONDAY = "https://developer.monday.com/api-reference/docs/error-handling"
_OAUTH1 = "https://wiki.oauth.net/w/page/12238543/ProblemReporting"
_OKTA = "https://github.com/okta/okta-developer-docs/blob/master/packages/%40okta/vuepress-site/data/error-codes.json"
_AUTH0 = "https://auth0.com/docs/api/authentication"
_WALMART = "https://developer.walmart.com/us-marketplace/docs/error-codes"
_SHOPEE = "https://open.shopee.com/documents"
_LAZADA = "https://open.lazada.com/apps/doc/doc?nodeId=10450&docId=108068"
_NEWSAPI = "https://newsapi.org/docs/errors"
_ZYTE = "https://github.com/zytedata/python-zyte-api"
_AWS_MODELS = "https://github.com/boto/botocore/tree/develop/botocore/data"
_INTERCOM = "https://developers.intercom.com/docs/references/rest-api/errors/error-codes/"
_GLEAN = "https://developers.glean.com/errors"
_OKX = "https://web3.okx.com/onchainos/docs/waas/marketplace-error-code"
_META_SDK = (
    "https://github.com/facebookarchive/php-graph-sdk/blob/master/src/Facebook/Exceptions/FacebookResponseException.php"
)
_S3_GUIDE = "https://github.com/awsdocs/amazon-s3-developer-guide"
_S3_PAGE = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
_EC2_PAGE = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"
_GRAPH_PAGE = "https://learn.microsoft.com/graph/errors"
_OPENAI_SPEC = "https://github.com/openai/openai-openapi"
_OPENAI_LIMITS = "https://learn.microsoft.com/microsoft-cloud/dev/dev-proxy/concepts/openai-insufficient-quota"
_HUBSPOT_PAGE = "https://developers.hubspot.com/docs/api/error-handling"
_HUBSPOT_EXPIRED = (
    "https://useparagon.com/integration-error-solutions/hubspot-the-oauth-token-used-to-make-this-call-expired"
)
_PLAID_PAGE = "https://plaid.com/docs/errors/"
_MONDAY_PAGE = "https://developer.monday.com/api-reference/docs/errors"
_VOCABULARY = "https://www.rfc-editor.org/rfc/rfc9457#section-4"
"""Words that APIs without a list that can be cited use as codes, in the sense that the words have."""

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
)  # fmt: skip
"""Of these each code was read in the text that the row names: a list of the vendor's own, its SDK, or a page that quotes it."""
UNREAD_CODES: tuple[tuple[Cause, str, str, str], ...] = (
    (_C, "expired", _S3_PAGE, "ExpiredToken TokenRefreshRequired"),
    (_C, "signature", _AWS, "InvalidSignatureException IncompleteSignatureException MissingAuthenticationTokenException"),
    (_C, "wrong", _EC2_PAGE, "AuthFailure PendingVerification"),
    (_C, "wrong", _S3_PAGE, "InvalidToken CredentialsNotSupported NotSignedUp"),
    (_T, "conflict", _S3_PAGE, "OperationAborted"),
    (_S, "cursor", _KINESIS, "PaginationTokenExpired ExpiredContinuationToken InvalidNextMarker InvalidMarker InvalidContinuationToken"),
    (_S, "cursor", _GRAPH_PAGE, "Directory_ExpiredPageToken syncStateInvalid resyncChangesApplyDifferences InvalidSkipToken"),
    (_R, "rate", _GRAPH_PAGE, "ApplicationThrottled TooManyRequests SubscriptionRequestsThrottled Request_ThrottledTemporarily tooManyRetries"),
    (_C, "wrong", _GRAPH_PAGE, "InvalidAuthenticationToken ExpiredAuthenticationToken AuthenticationFailed InvalidAuthenticationInfo InvalidAuthenticationTokenTenant TokenExpired Authorization_IdentityNotFound"),
    (_T, "server", _AZURE, "ServerBusy OperationTimedOut"),
    (_C, "wrong", _GOOGLE_LEGACY, "keyInvalid keyExpired authError accessNotConfigured ipRefererBlocked"),
    (_R, "rate", _GOOGLE_LEGACY, "rateLimitExceeded userRateLimitExceeded quotaExceeded dailyLimitExceeded limitExceeded servingLimitExceeded"),
    (_S, "cursor", _GOOGLE_LEGACY, "invalidPageToken pageTokenExpired expiredPageToken fullSyncRequired updatedMinTooLongAgo"),
    (_R, "rate", _GOOGLE_LEGACY, "jobRateLimitExceeded"),
    (_C, "expired", _FIREBASE, "USER_TOKEN_EXPIRED"),
    (_C, "wrong", _FIREBASE, "INVALID_REFRESH_TOKEN"),
    (_C, "wrong", _INSTAGRAM, "OAuthAccessTokenException OAuthPermissionsException"),
    (_R, "rate", _INSTAGRAM, "OAuthRateLimitException RateLimitException"),
    (_C, "login", _INSTAGRAPI, "checkpoint_challenge_required inactive_user"),
    (_R, "rate", _INSTAGRAPI, "ip_block"),
    (_R, "rate", _SHOPIFY, "THROTTLED"),
    (_C, "permission", _SHOPIFY, "SHOP_INACTIVE"),
    (_C, "grant", _GITHUB, "bad_refresh_token"),
    (_C, "wrong", _SLACK, "team_access_not_granted"),
    (_R, "rate", _SLACK, "ratelimited"),
    (_S, "code", _SLACK, "expired_trigger_id exchanged_trigger_id"),
    (_C, "wrong", _LWA, "Unauthorized_access MissingAuthentication InvalidAccessToken"),
    (_C, "wrong", _EBAY, "Invalid_access_token auth_token_invalid AuthToken_hard_expired"),
    (_C, "wrong", _YELP, "TOKEN_INVALID TOKEN_MISSING UNAUTHORIZED_ACCESS_TOKEN UNAUTHORIZED_API_KEY"),
    (_R, "rate", _YELP, "ACCESS_LIMIT_REACHED TOO_MANY_REQUESTS_PER_SECOND"),
    (_C, "wrong", _OPENAI, "invalid_api_key account_deactivated invalid_organization"),
    (_C, "payment", _OPENAI, "billing_hard_limit_reached billing_not_active"),
    (_R, "rate", _OPENAI, "tokens_exceeded_rate_limit requests_exceeded_rate_limit"),
    (_S, "cursor", _ELASTIC, "point_in_time_missing"),
    (_R, "rate", _SALESFORCE, "CONCURRENT_REQUESTS_LIMIT_EXCEEDED TXN_SECURITY_METERING"),
    (_C, "grant", _HUBSPOT_PAGE, "BAD_AUTH_CODE INVALID_AUTHENTICATION MISSING_SCOPES BAD_CLIENT_ID BAD_CLIENT_SECRET"),
    (_R, "rate", _HUBSPOT_PAGE, "RATE_LIMITS RATE_LIMIT"),
    (_C, "wrong", _PLAID, "INVALID_API_KEYS INVALID_ACCESS_TOKEN UNAUTHORIZED_ENVIRONMENT"),
    (_R, "rate", _PLAID_PAGE, "ACCOUNTS_LIMIT AUTH_LIMIT BALANCE_LIMIT ITEM_GET_LIMIT TRANSACTIONS_LIMIT TRANSACTIONS_SYNC_LIMIT INSTITUTIONS_GET_LIMIT INSTITUTION_RATE_LIMIT ADDITION_LIMIT"),
    (_S, "code", _PLAID, "INVALID_PUBLIC_TOKEN"),
    (_T, "pending", _PLAID, "PLANNED_MAINTENANCE INSTITUTION_NOT_AVAILABLE"),
    (_S, "cursor", _AIRTABLE, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"),
    (_S, "cursor", _MATRIX, "M_UNKNOWN_POS"),
    (_C, "clock", _ALIYUN, "InvalidTimeStamp.Expired InvalidTimestamp.Expired IllegalTimestamp"),
    (_C, "wrong", _ALIYUN, "InvalidSecurityToken InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive InvalidSecurityToken.Expired"),
    (_S, "nonce", _ALIYUN, "SignatureNonceUsed"),
    (_R, "rate", _ALIYUN, "Throttling.User Throttling.Api ServiceUnavailable.Throttling"),
    (_C, "wrong", _IBM, "BXNIM0415E BXNIM0407E BXNIM0408E BXNIM0439E BXNIM0462E"),
    (_C, "wrong", _BING, "InvalidApiKey UserBlocked"),
    (_R, "rate", _BING, "ThrottleUser ThrottleHost"),
    (_C, "login", _AUTH0, "mfa_required invalid_user_password password_leaked requires_verification"),
    (_R, "rate", _AUTH0, "too_many_logins"),
    (_C, "wrong", _WALMART, "UNAUTHORIZED.GMP_GATEWAY_API"),
    (_R, "rate", _WALMART, "REQUEST_THRESHOLD_VIOLATED"),
    (_C, "signature", _SHOPEE, "error_sign"),
    (_C, "wrong", _SHOPEE, "error_auth invalid_acceess_token invalid_partner_id"),
    (_C, "wrong", _LAZADA, "IllegalAccessToken IllegalRefreshToken InvalidAppKey"),
    (_C, "signature", _LAZADA, "InvalidSign"),
    (_R, "rate", _LAZADA, "ApiCallLimit AppCallLimit SellerCallLimit"),
    (_S, "nonce", _OAUTH1, "nonce_used"),
    (_C, "clock", _OAUTH1, "timestamp_refused"),
    (_C, "wrong", _OAUTH1, "consumer_key_rejected consumer_key_refused consumer_key_unknown token_used token_rejected additional_authorization_required permission_unknown user_refused"),
    (_C, "wrong", _WSS, "FailedAuthentication SecurityTokenUnavailable"),
    (_C, "signature", _WSS, "FailedCheck"),
    (_C, "clock", _WSS, "MessageExpired"),
    (_R, "rate", _HTTP, "quota-exceeded temporary-reduced-capacity abnormal-usage-detected"),
    (_S, "nonce", _WORDPRESS, "rest_cookie_invalid_nonce invalid_nonce woocommerce_rest_invalid_nonce"),
    (_C, "wrong", _WORDPRESS, "rest_not_logged_in incorrect_password invalid_username jwt_auth_invalid_token woocommerce_rest_authentication_error jwt_auth_bad_iss"),
    (_S, "nonce", _ACME, "badNonce"),
    (_C, "signature", _ACME, "badPublicKey badSignatureAlgorithm accountDoesNotExist"),
    (_S, "cursor", _MONDAY, "CursorExpiredError"),
    (_S, "nonce", _DPOP, "use_dpop_nonce"),
    (_C, "signature", _DPOP, "invalid_dpop_proof"),
    (_C, "login", _OIDC, "interaction_required account_selection_required"),
    (_T, "server", _OIDC, "temporarily_unavailable"),
    (_R, "rate", _MONDAY_PAGE, "maxConcurrencyExceeded"),
    (_R, "rate", _ZYTE, "over-domain-limit over-global-limit"),
    (_C, "wrong", _ZYTE, "account-suspended"),
    (_C, "expired", _VOCABULARY, "expired_access_token access_token_expired expired_token_error auth_token_expired jwt_expired expired_jwt expired_api_key api_key_revoked revoked_token session_token_expired key_expired key_revoked credentials_expired expired_credentials id_token_expired refresh_token_expired expired_refresh_token TokenExpiredError"),
    (_C, "wrong", _VOCABULARY, "bad_credentials wrong_credentials authentication_failed authentication_failure auth_failed unknown_api_key invalid_key bad_api_key invalid_auth_token invalid_bearer_token invalid_authentication invalid_authentication_token invalid_jwt invalid_user_token bad_token incorrect_credentials invalid_subscription_key invalid_appid invalid_app_id_or_key JsonWebTokenError invalid_client_secret invalid_authorization invalid_authorization_header not_authenticated"),
    (_C, "signature", _VOCABULARY, "invalid_signature signature_invalid signature_mismatch bad_signature signature_expired signature_verification_failed invalid_hmac hmac_mismatch"),
    (_C, "clock", _VOCABULARY, "timestamp_expired invalid_timestamp_signature request_timestamp_expired clock_skew request_expired timestamp_out_of_range"),
    (_C, "payment", _VOCABULARY, "payment_required subscription_expired subscription_inactive insufficient_credits insufficient_balance trial_expired plan_expired"),
    (_R, "rate", _VOCABULARY, "over_rate_limit rate_limit_reached rate_limited_error rate_limiting request_limit_reached requests_limit too_many_requests too_many_calls throttle throttled_request over_quota quota_exceeded daily_quota_exceeded quota_reached quota_limit_exceeded usage_limit_reached usage_limit_exceeded api_limit_exceeded api_limit_reached call_limit_exceeded over_query_limit over_limit_requests flood_wait flood too_many_login_attempts too_many_attempts too_fast frequency_limit"),
    (_S, "cursor", _VOCABULARY, "cursor_expired cursor_invalid cursor_not_found bad_cursor stale_cursor invalid_page_info page_token_expired bad_page_token invalid_continuation continuation_expired invalid_scroll_id scroll_expired scroll_not_found pagination_token_expired invalid_after_cursor invalid_sync_token sync_token_expired expired_sync_token invalid_pagination_cursor invalid_starting_after search_session_expired invalid_page_cursor invalid_resume_token resume_token_expired"),
    (_S, "session", _VOCABULARY, "session_invalid invalid_session session_not_found session_timeout session_timed_out no_such_session unknown_session bad_session session_lost guest_session_expired basket_expired cart_expired checkout_expired"),
    (_S, "csrf", _VOCABULARY, "csrf csrf_failed csrf_failure csrf_invalid csrf_mismatch csrf_token_mismatch csrf_token_invalid invalid_csrf invalid_csrf_token bad_csrf_token EBADCSRFTOKEN csrf_error InvalidAuthenticityToken TokenMismatchException invalid_form_key invalid_antiforgery_token AntiforgeryValidationException badtoken"),
    (_S, "nonce", _VOCABULARY, "nonce_expired expired_nonce nonce_invalid stale_nonce replayed_nonce nonce_already_used"),
    (_T, "conflict", _VOCABULARY, "resource_busy busy locked resource_locked concurrent_modification operation_in_progress already_in_progress in_progress not_ready resource_not_ready"),
    (_T, "server", _VOCABULARY, "temporarily_unavailable_error service_unavailable unavailable maintenance under_maintenance server_busy overloaded try_again_later retry_later backend_error"),
)  # fmt: skip
"""Of these nobody has opened a list that has them: they are from knowledge of the documentation that the row names."""
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
    "okx": _OKX,
}
"""The lists that have numbers, by the name of the API."""

"""A corpus of secrets, none of them ever real, and of the positions where a scraper's requests carry them."""

SHAPED = {
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "jwe": "eyJhbGciOiJSU0EifQ.OKOawDo13gRp2ojaHV7LFp.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3.XFBoMYUZodetZdvTiFv",
    "aws_key_id": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws_session_key_id": "ASIA" + "Y34FZKBOKMUTVV7A",
    "google_api": "AIza" + "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "google_oauth": "ya29." + "a0AfH6SMBx7Qm3n5kT9wVbYzRc2Lp8",
    "google_secret": "GOCSPX-" + "1mVwR6zK8yTq3nLpB5cXhJ9dFgSa",
    "stripe_live": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "stripe_restricted": "rk_test_" + "9aB8cD7eF6gH5iJ4kL3mN2oP",
    "stripe_webhook": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "github_classic": "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "github_fine": "github_pat_" + "11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ012345",
    "gitlab": "glpat-" + "Zx8Yw7Vu6Ts5Rq4Po3Nm",
    "slack": "xoxb-" + "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
    "openai": "sk-" + "proj-Ab3dEf6hIj9lMn2pQr5tUv8x",
    "anthropic": "sk-ant-" + "api03-Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2",
    "sendgrid": "SG." + "ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr",
    "twilio": "SK" + "0123456789abcdef0123456789abcdef",
    "npm": "npm_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5",
    "shopify": "shpat_" + "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "hugging_face": "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    "vault": "hvs." + "CAESIJ5T6Yb2Xx0Qm9Rr8Vv7Ww6",
    "telegram": "110201543:" + "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    "card_visa": "4111111111111111",
    "card_mastercard": "5555555555554444",
    "card_amex": "378282246310005",
}
"""Secrets that are known by their shape, wherever they stand."""

PRIVATE_KEY_LINES = [
    "MIIEpAIBAAKCAQEA7bq0Hk9V3Y2m1rT5xW8z",
    "Qk4sN6pLd2Fh8Jv0Xc3Bn7Mq1Wz5Er9Ty4Ui6Op",
]
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(PRIVATE_KEY_LINES) + "\n-----END RSA PRIVATE KEY-----"

NAMED = [
    "hunter2",
    "Tr0ub4dor&3",
    "correct-horse-battery-staple",
    "9f86d081884c7d659a2feaa0c55ad015",
    "550e8400-e29b-41d4-a716-446655440000",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "dXNlcm5hbWU6cGFzc3dvcmQ=",
    "0123456789",
    "пароль-секрет",
    "密码密码密码",
]
"""Secrets that only their name gives away."""

HEADER_NAMES = [
    *("Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "Api-Key", "X-Auth-Token"),
    *("X-Access-Token", "X-Amz-Security-Token", "X-Goog-Api-Key", "Private-Token", "X-Vault-Token", "X-CSRF-Token"),
    *("X-Shopify-Access-Token", "X-RapidAPI-Key", "Ocp-Apim-Subscription-Key", "CF-Access-Client-Secret", "DD-API-KEY"),
    *("DD-APPLICATION-KEY", "x-functions-key", "X-Client-Secret", "x-hub-signature", "X-Session-Id", "apikey"),
]

PARAMETER_NAMES = [
    *(
        "password",
        "passwd",
        "pwd",
        "pass",
        "secret",
        "client_secret",
        "clientSecret",
        "token",
        "access_token",
        "apikey",
    ),
    *("refreshToken", "id_token", "api_key", "apiKey", "api-key", "X-Amz-Signature", "sig", "signature", "sessionid"),
    *("PHPSESSID", "JSESSIONID", "private_key", "aws_secret_access_key", "AccountKey", "otp", "pin", "cvv", "jwt"),
    *("newPassword", "password_confirmation", "password2", "user_password", "csrfmiddlewaretoken", "SAMLResponse"),
    *("db.password", "user[password]", "authorization", "credentials", "passphrase", "subscription-key", "auth"),
]

BODIES = [
    '{{"user": "ann", "{name}": "{secret}", "page": 3}}',
    '{{"user": "ann", "{name}": "{secret}", "page": 3,}}',
    '{{"user": "ann", "{name}" : "{secret}", "page": 3',
    '{{"user": "ann", "{name}": "{secret}',
    "{{'user': 'ann', '{name}': '{secret}', 'page': 3}}",
    '{{"a": {{"b": [{{"{name}": ["{secret}", "{secret}"]}}]}}}}',
    '{{"{name}": {{"value": "{secret}", "n": null}}, "page": 3}}',
    '{{"wrapped": "{{\\"{name}\\": \\"{secret}\\"}}"}}',
    "<login><user>ann</user><{name}>{secret}</{name}></login>",
    '<s:Envelope><w:{name} Type="text">{secret}</w:{name}></s:Envelope>',
    "<login><{name}><![CDATA[{secret}]]></{name}></login>",
    '<login {name}="{secret}" user="ann"/>',
    '--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{secret}\r\n--b--\r\n',
    '--b\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: text/plain\r\n\r\n{secret}\r\n--b--\r\n',
    '[{{"name": "{name}", "value": "{secret}"}}]',
    '{{"wrapped": "{{\\u0022user\\u0022:\\u0022ann\\u0022,\\u0022{name}\\u0022:\\u0022{secret}\\u0022}}"}}',
    "{{\\x22user\\x22: \\x22ann\\x22, \\x22{name}\\x22: \\x22{secret}\\x22}}",
    '<input type="hidden" name="{name}" id="f1" value="{secret}"/> ann',
    "<meta name='{name}' content='{secret}'>ann",
    '{{"query": "mutation {{ login({name}: \\"{secret}\\") {{ id }} }}"}}',
    "{name}: {secret}\n",
    "user: ann\n{name}: {secret}\npage: 3\n",
    "curl --{name} {secret} https://api.shop.example/",
]
"""Bodies and texts, broken ones too, with a place for a name and a secret."""

PLACES = [
    "password=({})&page=3",
    "password = ({}) ann",
    "login password=<{}> ann",
    "password=[{}]",
    '"ann","password=""{}""","page"',
    '{{""user"": ""ann"", ""password"": ""{}"", ""page"": 3}}',
    "VALUES ('user=''ann'' password=''{}''', 3)",
    "{{''user'': ''ann'', ''password'': ''{}''}}",
    "user: ann\npassword: |\n  {}\npage: 3\n",
    "user: ann\npassword: >-\n    first line\n    {}\npage: 3\n",
    "- user: ann\n  password: |2+\n      first\n\n      {}\n  page: 3\n",
    "user: ann\npasswords:\n  - first\n  - {}\npage: 3\n",
    "user: ann\r\ntoken: | # kept\r\n  {}\r\npage: 3\r\n",
    "2026-01-01 [password] {} ann",
    '<input value="{}" type="hidden" name="password">ann',
    "<input value='{}' class=wide name=password> ann",
    '<meta content="{}" name="csrf-token">ann',
    '{{"value": "{}", "name": "password"}}',
    '{{"value": "{}", "type": "text", "key": "api_key"}}',
    '{{"name": "password", "type": "text", "value": "{}"}}',
    '{{"key": "access_token", "enabled": true, "value": "{}", "type": "string"}}',
    "Authorization: Bearer\n  {}\nuser: ann",
    "Authorization:\r\n Bearer {}\r\nuser: ann",
    '{{"headers": "Authorization: Bearer\\n {}"}}',
    '{{"auth": {{"type": "basic", "password": "{}"}}}}',
]
"""Places for a secret where its name is in an unusual one; what is around it stays."""

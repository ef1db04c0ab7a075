import pytest

from halt400 import Gate, KafkaConnection, Plaintext, Publisher, SaslPlaintext, SaslTls, SettingError, Tls

WHOLE = "kafka+sasl_ssl://scraper:s3cr%40t@a:9093,b:9093/?mechanism=SCRAM-SHA-512&ca=/ca.pem&prefix=t."


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("kafka://kafka:9092", KafkaConnection("kafka:9092", security=Plaintext())),
        (
            "kafka+ssl://kafka:9093?ca=/ca.pem&certificate=/c.pem&key=/k.pem",
            KafkaConnection("kafka:9093", security=Tls("/ca.pem", "/c.pem", "/k.pem")),
        ),
        ("kafka+sasl_plaintext://u:p@kafka:9092/", KafkaConnection("kafka:9092", security=SaslPlaintext("u", "p"))),
        (
            WHOLE,
            KafkaConnection("a:9093,b:9093", "t.", SaslTls("scraper", "s3cr@t", "SCRAM-SHA-512", Tls("/ca.pem"))),
        ),
    ],
)
def test_a_url_is_a_whole_connection(url: str, connection: KafkaConnection) -> None:
    assert KafkaConnection.from_url(url) == KafkaConnection.of(url) == connection


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://u:s3cret@kafka", "begins with 'redis'"),
        ("kafka+sasl_ssl://u@kafka", "lacks user or password"),
        ("kafka+sasl_ssl://kafka:9093", "lacks user or password"),
        ("kafka://u:s3cret@kafka", "has a user"),
        ("kafka+sasl_ssl://u:s3/cret@kafka", "Percent-encode|lacks"),
        ("kafka+sasl_ssl://u:s3cret@", "has no host"),
        ("kafka+sasl_ssl://u:s3cret@kafka/?mechanisms=PLAIN", "'mechanisms'"),
        ("kafka+sasl_ssl://u:s3cret@kafka/?mechanism=GSSAPI", "GSSAPI"),
        ("kafka+sasl_ssl://u:[s3cret@kafka", "cannot be read"),
        ("kafka+sasl_plaintext://u:s3cret@kafka/?ca=/x", "without TLS"),
    ],
)
def test_what_is_wrong_in_a_url_is_said_without_its_password(url: str, message: str) -> None:
    with pytest.raises(SettingError, match=message) as raised:
        KafkaConnection.of(url)
    assert "s3" not in str(raised.value)
    assert raised.value.mend


async def test_publisher_and_gate_take_a_url_and_show_no_password() -> None:
    publisher = Publisher(WHOLE.replace("&ca=/ca.pem", ""))
    Gate(WHOLE.replace("&ca=/ca.pem", ""))
    assert publisher.topic == "t.responses"
    assert "s3cr" not in repr(publisher.kafka)


def test_the_variable_of_the_servers_takes_a_url() -> None:
    variables = {"HALT400_KAFKA_BOOTSTRAP_SERVERS": WHOLE, "HALT400_KAFKA_TOPIC_PREFIX": "mine."}
    found = KafkaConnection.from_environment(variables)
    assert (found.servers, found.topic_prefix, type(found.security)) == ("a:9093,b:9093", "mine.", SaslTls)


def test_servers_that_are_a_url_are_refused_unshown() -> None:
    with pytest.raises(SettingError, match="from_url") as raised:
        KafkaConnection(WHOLE)
    assert "s3cr" not in str(raised.value)

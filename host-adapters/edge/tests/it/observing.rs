//! What the server says about itself: counts, usage and traces, each after real requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugwork_core::deployment::Expected;
use plugwork_core::metering::{Memory, UsageLedger, UsageQuery};
use plugwork_edge::{Destination, Metering, Tracing, metrics};

use crate::collector::{Collector, REFUSED, TAKEN};
use crate::world::{LIMITS, Stage, Told, application, settings, until};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A request with these header lines, to a plugin that answers with the headers that it was given.
async fn mirrored(stage: &Stage, headers: &str) -> Told {
    stage.raw(&format!("GET /g/secret-part HTTP/1.1\r\nhost: a.example:81\r\n{headers}connection: close\r\n\r\n")).await
}

fn mirror() -> [(&'static str, &'static str); 3] {
    [("/g/{rest}", ""), ("/t", ""), ("/e", "")]
}

fn tracing(stage: &Stage, url: String, ratio: f64) -> Tracing {
    let headers = [("x-key".parse().unwrap(), "k".parse().unwrap())].into_iter().collect();
    let tracing = Tracing::start(Destination { url, headers, ratio, service: "shop-edge".to_owned() }).unwrap();
    stage.node.trace_with(&tracing);
    tracing
}

fn value(text: &str, sample: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_no_collectors_is_refused() {
    let destination =
        |url: &str, ratio| Destination { url: url.to_owned(), headers: http::HeaderMap::new(), ratio, service: "s".to_owned() };
    for (url, ratio) in
        [("", 1.0), ("ftp://a/", 1.0), ("/v1/traces", 1.0), ("http://user:secret@a/", 1.0), ("http://a/", 1.1), ("http://a/", f64::NAN)]
    {
        let error = Tracing::start(destination(url, ratio)).err().unwrap_or_else(|| panic!("{url} {ratio}")).to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_sends_is_no_label_and_every_request_is_counted() {
    let stage = Stage::serving(settings(), &mirror()).await;
    assert_eq!(mirrored(&stage, "").await.status, 200);
    assert_eq!(stage.get("/t").await.status, 502);
    assert_eq!(stage.get("/nowhere-at-all").await.status, 404);
    assert!(stage.deploy("name = 1", Expected::Anything).await.is_err());
    until("all are in the log", || stage.log.lock().unwrap().len() == 3).await;
    let text = metrics::text(&stage.node);
    let duration = "plugwork_http_request_duration_seconds";
    let of = |route: &str, class: &str| {
        format!("{duration}_count{{tenant=\"default\",application=\"shop\",route=\"{route}\",plugin=\"guest\",status_class=\"{class}\"}}")
    };
    assert_eq!(value(&text, &of("/g/{rest}", "2xx")), Some(1.0), "{text}");
    assert_eq!(value(&text, &of("/t", "5xx")), Some(1.0));
    assert_eq!(
        value(&text, &format!("{duration}_count{{tenant=\"\",application=\"\",route=\"\",plugin=\"\",status_class=\"4xx\"}}")),
        Some(1.0)
    );
    for code in ["E-FAULT-TRAP", "E-HTTP-NOT-FOUND"] {
        assert_eq!(value(&text, &format!("plugwork_rejections_total{{code=\"{code}\"}}")), Some(1.0), "{text}");
    }
    assert!(!text.contains("secret-part") && !text.contains("nowhere-at-all"));
    let plugin = "{tenant=\"default\",application=\"shop\",plugin=\"guest\"}";
    assert_eq!(value(&text, &format!("plugwork_plugin_faults_total{plugin}")), Some(1.0));
    assert_eq!(value(&text, "plugwork_deployment_number{tenant=\"default\",application=\"shop\"}"), Some(1.0));
    assert_eq!(value(&text, "plugwork_deployments_total{outcome=\"done\"}"), Some(1.0));
    assert_eq!(value(&text, "plugwork_deployments_total{outcome=\"failed\"}"), Some(1.0));
    assert_eq!(value(&text, "plugwork_connections_total"), Some(3.0));
    assert_eq!(value(&text, "plugwork_requests_in_flight"), Some(0.0));
    for line in text.lines() {
        let is_sample = line.rsplit_once(' ').is_some_and(|(name, number)| name.starts_with("plugwork_") && number.parse::<f64>().is_ok());
        assert!(line.starts_with("# HELP ") || line.starts_with("# TYPE ") || is_sample, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_is_told_on_a_router_of_its_own() {
    let stage = Stage::serving(settings(), &mirror()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, metrics::router(&stage.node)).into_future());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let told = crate::world::told(&crate::world::to_end(&mut stream).await);
    assert_eq!((told.status, told.header("content-type")), (200, Some(metrics::MEDIA_TYPE)));
    assert!(told.body.contains("plugwork_connections_open 0\n"), "{}", told.body);
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_sees_its_clients_trace_or_a_new_one_never_what_was_sent_wrong() {
    let stage = Stage::serving(settings(), &mirror()).await;
    let good = mirrored(&stage, &format!("traceparent: {PARENT}\r\ntracestate: a=1\r\n")).await;
    assert_eq!(
        (good.header("traceparent"), good.header("tracestate")),
        (Some(PARENT), Some("a=1")),
        "nothing is recorded: the chain stays whole"
    );
    let bad = mirrored(&stage, &format!("traceparent: {PARENT}\r\ntraceparent: {PARENT}\r\ntracestate: a=1\r\n")).await;
    let new = bad.header("traceparent").unwrap();
    assert!(new.len() == 55 && !new.contains(TRACE) && new.ends_with("-00") && bad.header("tracestate").is_none(), "{new}");
    until("both are in the log", || stage.log.lock().unwrap().len() == 2).await;
    let log = stage.log.lock().unwrap();
    assert_eq!((&*log[0].trace_id.to_string(), &*log[1].trace_id.to_string()), (TRACE, &new[3..35]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_sent_what_a_client_wants_recorded() {
    let stage = Stage::serving(settings(), &mirror()).await;
    let (collector, url) = Collector::start(TAKEN).await;
    let tracing = tracing(&stage, url, 0.0);
    assert_eq!(stage.get("/e").await.status, 200, "not recorded: the ratio is 0");
    let told = mirrored(&stage, &format!("traceparent: {PARENT}\r\ntracestate: a=1\r\n")).await;
    let trap = stage.raw(&format!("GET /t HTTP/1.1\r\nhost: [::1]\r\ntraceparent: {PARENT}\r\nconnection: close\r\n\r\n")).await;
    assert_eq!((told.status, trap.status), (200, 502));
    until("all are in the log", || stage.log.lock().unwrap().len() == 3).await;
    assert_eq!(tracing.close(Duration::from_secs(60)).await, 0);
    let head = collector.heads.lock().unwrap()[0].clone();
    assert!(
        head.starts_with("post /v1/traces ")
            && head.contains("\r\ncontent-type: application/x-protobuf\r\n")
            && head.contains("\r\nx-key: k\r\n")
    );
    let spans = collector.spans();
    assert_eq!((spans.len(), tracing.counts()), (4, (4, 0)), "{spans:?}");
    let [request, call, failed, trapped] = &spans[..] else { panic!("four") };
    assert!(spans.iter().all(|span| span.trace_id == TRACE));
    assert_eq!((request.parent.as_str(), request.kind, request.name.as_str()), ("b7ad6b7169203331", 2, "GET /g/{rest}"));
    assert_eq!(
        (call.parent.as_str(), call.kind, call.name.as_str(), call.state.as_str()),
        (request.span_id.as_str(), 1, "call guest", "a=1")
    );
    assert_eq!(
        told.header("traceparent").unwrap(),
        format!("00-{TRACE}-{}-01", call.span_id),
        "what the plugin causes belongs to its call"
    );
    let log = stage.log.lock().unwrap();
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/g/{rest}"),
        ("http.response.status_code", "200"),
        ("url.path", "/g/secret-part"),
        ("url.scheme", "http"),
        ("server.address", "a.example"),
        ("server.port", "81"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("plugwork.application", "shop"),
        ("plugwork.request_id", log[1].request_id.as_str()),
    ] {
        assert_eq!(request.attribute(name), Some(value), "{name}");
    }
    assert!(request.start_ns <= call.start_ns && call.start_ns <= call.end_ns && call.end_ns <= request.end_ns, "{spans:?}");
    assert!(!request.is_error && !call.is_error && failed.is_error && trapped.is_error);
    assert_eq!((failed.attribute("server.address"), failed.attribute("error.type")), (Some("::1"), Some("plugin")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_takes_nothing_costs_no_request_and_what_is_lost_is_counted() {
    let stage = Stage::serving(settings(), &mirror()).await;
    let (_silent, url) = Collector::start("").await;
    let tracing = tracing(&stage, url, 1.0);
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(stage.get("/e").await.status, 200);
    }
    until("all are in the log", || stage.log.lock().unwrap().len() == 5).await;
    assert_eq!(tracing.close(Duration::from_millis(300)).await, 10, "it ends in its time, however long the collector takes");
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(stage.get("/e").await.status, 200);
    until("it is lost too", || tracing.counts() == (0, 12)).await;
    assert_eq!(value(&metrics::text(&stage.node), "plugwork_spans_lost_total"), Some(12.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_collector_refuses_is_not_sent_again() {
    let stage = Stage::serving(settings(), &mirror()).await;
    let (collector, url) = Collector::start(REFUSED).await;
    let tracing = tracing(&stage, url, 1.0);
    assert_eq!(stage.get("/e").await.status, 200);
    until("it is in the log", || stage.log.lock().unwrap().len() == 1).await;
    assert_eq!(tracing.close(Duration::from_secs(60)).await, 2);
    assert_eq!(collector.heads.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_plugins_used_is_on_record_by_the_hour_also_of_one_that_was_replaced() {
    let stage = Stage::new(settings()).await;
    let ledger = Arc::new(Memory::default());
    let metering = Metering::start(&stage.node, ledger.clone());
    stage.deploy(&application(&mirror()), Expected::Nothing).await.unwrap();
    for _ in 0..3 {
        assert_eq!(stage.get("/e").await.status, 200);
    }
    assert_eq!(stage.get("/t").await.status, 502);
    assert_eq!(stage.get("/nowhere").await.status, 404);
    // Another version of the plugin: the first one ends.
    let other = format!("{}[plugin.guest.config]\na = \"1\"\n", application(&mirror()));
    assert!(other.contains(LIMITS));
    stage.deploy(&other, Expected::Number(1)).await.unwrap();
    let runs = || stage.runtime.usage().len();
    until("the first one has ended", || runs() <= 1).await;
    assert_eq!(stage.get("/e").await.status, 200);
    until("all are in the log", || stage.log.lock().unwrap().len() == 6).await;
    metering.stop().await.unwrap();
    let rows = ledger.usage(UsageQuery::default()).await.unwrap();
    let sum = rows.iter().fold(plugwork_core::metering::UsageSum::default(), |sum, row| sum.and(row.sum));
    assert!(
        rows.iter()
            .all(|row| (row.key.tenant.as_str(), row.key.application.as_str(), row.key.plugin.as_str()) == ("default", "shop", "guest"))
    );
    assert_eq!((sum.requests, sum.faults), (5, 1), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_says_is_known_by_its_request_and_its_trace() {
    // One instance for all: of each request its own.
    let text = application(&[("/k", "")]).replace("[plugin.guest.limits]", "[plugin.guest.limits]\ninstances = 1");
    let stage = Stage::new(settings()).await;
    stage.deploy(&text, Expected::Nothing).await.unwrap();
    for parent in ["", PARENT] {
        let header = if parent.is_empty() { String::new() } else { format!("traceparent: {parent}\r\n") };
        assert_eq!(stage.raw(&format!("GET /k HTTP/1.1\r\nhost: a\r\n{header}connection: close\r\n\r\n")).await.status, 200);
    }
    until("both are in the log", || stage.log.lock().unwrap().len() == 2).await;
    let (log, said) = (stage.log.lock().unwrap(), stage.said.0.lock().unwrap());
    let known: Vec<_> = said
        .iter()
        .map(|(message, cause)| {
            let cause = cause.as_ref().unwrap();
            (message.as_str(), cause.request_id.as_str(), cause.trace.as_ref().unwrap().trace_id_text())
        })
        .collect();
    let told: Vec<_> = log.iter().map(|access| ("ok", access.request_id.as_str(), access.trace_id.to_string())).collect();
    assert_eq!(known, told);
    assert_eq!(known[1].2, TRACE);
}

//! Lists: options as real clients write them, pages, counts.

use std::collections::HashSet;

use http_body_util::Full;

use crate::harness::{Answer, CONNECTORS, Server};

/// The queries of four real clients, as captured.
const CAPTURED: [&str; 4] = [
    "$count=true&$filter=status%20eq%20%27connected%27%20and%20startswith%28serverName%2C%27A%20B%27%29&$orderby=lastSyncDateTime%20desc,serverName&$select=id,status&$skip=0&$top=1",
    "$filter=status%20eq%20%27connected%27%20and%20startswith(serverName,%27A%20B%27)&$select=id,status&$orderby=lastSyncDateTime%20desc&$top=1&$count=true&$skip=0",
    "%24filter=status+eq+%27connected%27+and+startswith%28serverName%2C%27A+B%27%29&%24select=id%2Cstatus&%24orderby=lastSyncDateTime+desc&%24top=1&%24skip=0&%24count=true",
    "filter=status+eq+'connected'+and+startswith(serverName,'A+B')&select=id,status&orderby=lastSyncDateTime+desc&top=1&skip=0&count=true",
];

fn next(answer: &Answer, server: &Server) -> Option<String> {
    let json = answer.json();
    let link = json.get("@odata.nextLink")?.as_str().unwrap();
    Some(link.strip_prefix(&format!("http://{}", server.address)).unwrap().to_owned())
}

async fn pages(server: &Server, first: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut path = Some(first.to_owned());
    while let Some(current) = path {
        let answer = server.get(&current).await;
        pages.push(answer.ids());
        path = next(&answer, server);
        assert!(pages.len() < 1000, "no end");
    }
    pages
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let server = Server::start().await;
    let answer = server.get(CONNECTORS).await;
    assert_eq!(answer.status, 200);
    let context = format!("http://{}/v1.0/$metadata#deviceManagement/exchangeConnectors", server.address);
    assert_eq!(answer.json(), serde_json::json!({"@odata.context": context, "value": []}));
    server.end().await;
}

#[tokio::test]
async fn queries_of_real_clients_are_understood() {
    let server = Server::start().await;
    let mut wanted = HashSet::new();
    for (name, status) in
        [("A B 1", "connected"), ("A B 2", "connected"), ("A B 3", "disconnected"), ("AB", "connected")]
    {
        let id = server.create(&format!(r#"{{"serverName":"{name}","status":"{status}"}}"#)).await;
        if name.starts_with("A B") && status == "connected" {
            wanted.insert(id);
        }
    }
    for query in CAPTURED {
        let answer = server.get(&format!("{CONNECTORS}?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let json = answer.json();
        assert_eq!(json["@odata.count"], 2, "{query}");
        assert!(
            json["@odata.context"].as_str().unwrap().ends_with("exchangeConnectors(id,status)"),
            "{json}"
        );
        let first = &json["value"][0];
        assert_eq!(first.as_object().unwrap().len(), 2, "{first}");
        let all: Vec<_> = pages(&server, &format!("{CONNECTORS}?{query}")).await.concat();
        assert_eq!(all.len(), 2, "{query}");
        assert_eq!(all.into_iter().collect::<HashSet<_>>(), wanted, "{query}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_page_size_is_not_a_limit() {
    let server = Server::start_with(|config| config.default_page = 4).await;
    let mut all = HashSet::new();
    for number in 0..9 {
        all.insert(server.create(&format!(r#"{{"serverName":"{}"}}"#, number % 3)).await);
    }
    for (query, sizes) in [
        ("", vec![4, 4, 1]),
        ("?$top=9", vec![9]),
        ("?$top=3", vec![3, 3, 3]),
        ("?$top=2&$orderby=serverName%20desc", vec![2, 2, 2, 2, 1]),
        ("?$top=5&$skip=6", vec![3]),
        ("?$top=2&$skip=6", vec![2, 1]),
        ("?$top=0", vec![0]),
    ] {
        let pages = pages(&server, &format!("{CONNECTORS}{query}")).await;
        if query == "?$top=0" {
            assert_eq!(pages.first().map(Vec::len), Some(0));
            continue;
        }
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{query}");
        let flat = pages.concat();
        let distinct: HashSet<_> = flat.iter().cloned().collect();
        assert_eq!(distinct.len(), flat.len(), "{query}");
        assert!(distinct.is_subset(&all));
    }
    let request = server.request("GET", CONNECTORS).header("prefer", "odata.maxpagesize=2, respond-async");
    let capped = server.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(capped.ids().len(), 2);
    assert_eq!(capped.header("preference-applied"), Some("odata.maxpagesize=2"));
    assert!(next(&capped, &server).is_some());
    server.end().await;
}

#[tokio::test]
async fn pages_stay_complete_while_rows_come_and_go() {
    let server = Server::start().await;
    for query in ["$top=3", "$top=3&$orderby=serverName", "$top=3&$orderby=exchangeAlias%20desc,serverName"] {
        let mut stay = HashSet::new();
        let mut go = Vec::new();
        for number in 0..20 {
            let alias = if number % 4 == 0 { "null".to_owned() } else { format!("\"a{}\"", number % 3) };
            let id = server
                .create(&format!(r#"{{"serverName":"server {:02}","exchangeAlias":{alias}}}"#, number % 7))
                .await;
            if number % 2 == 0 {
                stay.insert(id);
            } else {
                go.push(id);
            }
        }
        let mut seen = Vec::new();
        let mut path = Some(format!("{CONNECTORS}?{query}"));
        while let Some(current) = path {
            let answer = server.get(&current).await;
            seen.extend(answer.ids());
            path = next(&answer, &server);
            if let Some(id) = go.pop() {
                assert_eq!(server.delete(&format!("{CONNECTORS}/{id}")).await.status, 204);
            }
            server.create(r#"{"serverName":"server 03","exchangeAlias":"a1"}"#).await;
            assert!(seen.len() < 500);
        }
        let distinct: HashSet<_> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "{query}: a connector came twice");
        assert!(stay.is_subset(&distinct), "{query}: a connector was left out");
        for id in server.get(&format!("{CONNECTORS}?$top=1000")).await.ids() {
            server.delete(&format!("{CONNECTORS}/{id}")).await;
        }
    }
    server.end().await;
}

#[tokio::test]
async fn a_next_link_cannot_be_forged_or_carried_elsewhere() {
    let server = Server::start().await;
    for _ in 0..3 {
        server.create("{}").await;
    }
    let link = next(&server.get(&format!("{CONNECTORS}?$top=1&$orderby=serverName")).await, &server).unwrap();
    assert_eq!(server.get(&link).await.status, 200);
    let (_, token) = link.split_once("skiptoken=").unwrap();
    let token = token.split('&').next().unwrap();
    let altered =
        if token.starts_with('A') { token.replacen('A', "B", 1) } else { format!("A{}", &token[1..]) };
    for path in [
        link.replace(token, &altered),
        link.replace(token, "abc"),
        link.replace(token, ""),
        link.replace(token, &"A".repeat(5000)),
        format!("{CONNECTORS}?$skiptoken={token}&$orderby=version"),
        format!("/v1.0/deviceManagement/managedDevices?$top=1&$skiptoken={token}"),
    ] {
        let (_, said) = server.get(&path).await.error(400);
        assert!(said.to_lowercase().contains("skiptoken"), "{path}: {said}");
    }
    server.end().await;
}

#[tokio::test]
async fn options_that_are_wrong_or_unknown_are_refused() {
    let server = Server::start().await;
    for (query, says) in [
        ("$top=-1", "top"),
        ("$top=abc", "top"),
        ("$top=1001", "1000"),
        ("$skip=-1", "skip"),
        ("$skip=99999999999999999999", "skip"),
        ("$select=nonsense", "Could not find a property named 'nonsense'"),
        ("$filter=nonsense%20eq%201", "Could not find a property named 'nonsense'"),
        ("$filter=status%20eq", ""),
        ("$filter=status%20eq%20'none", ""),
        ("$filter=status%20eq%20'nonsense'", "nonsense"),
        ("$filter=((((serverName%20eq%20'x'", ""),
        ("$orderby=nonsense", "nonsense"),
        ("$orderby=status%20sideways", "sideways"),
        ("$search=x", "$search"),
        ("$expand=x", "$expand"),
        ("$apply=x", "$apply"),
        ("$top=1&$top=2", "top"),
        ("$count=perhaps", "count"),
        ("$filter=%ff", ""),
    ] {
        let answer = server.get(&format!("{CONNECTORS}?{query}")).await;
        let status = answer.status.as_u16();
        assert!(matches!(status, 400 | 501), "{query}: {answer:?}");
        let (_, said) = answer.error(status);
        assert!(said.contains(says), "{query}: {said}");
    }
    let (_, said) = server.get(&format!("{CONNECTORS}?$filter=serverName%20eq%20%23")).await.error(400);
    assert!(said.contains("position"), "{said}");
    for (method, path) in [("POST", CONNECTORS.to_owned()), ("DELETE", format!("{CONNECTORS}/x"))] {
        server.write(method, &format!("{path}?$select=id"), "{}").await.error(400);
    }
    server.end().await;
}

#[tokio::test]
async fn the_count_is_plain_text() {
    let server = Server::start().await;
    for status in ["connected", "connected", "none"] {
        server.create(&format!(r#"{{"status":"{status}"}}"#)).await;
    }
    for (query, count) in
        [("", "3"), ("?$filter=status%20eq%20'connected'", "2"), ("?%24filter=status+ne+'connected'", "1")]
    {
        let request = server
            .request("GET", &format!("{CONNECTORS}/$count{query}"))
            .header("accept", "text/plain;q=0.9");
        let answer = server.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body, count);
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    }
    for query in ["$top=1", "$skip=1", "$orderby=id", "$select=id"] {
        server.get(&format!("{CONNECTORS}/$count?{query}")).await.error(400);
    }
    server.end().await;
}

#[tokio::test]
async fn links_name_the_public_address_whatever_the_request_says() {
    let server = Server::start_with(|config| {
        config.public_url = Some("https://exconn.contoso.com/".to_owned());
    })
    .await;
    server.create("{}").await;
    server.create("{}").await;
    let request = http::Request::get(format!("{CONNECTORS}?$top=1&$filter=status%20ne%20'none'"))
        .header("host", "evil.example")
        .header("forwarded", "host=evil.example;proto=http")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "http")
        .header("authorization", format!("Bearer {}", server.token));
    let json = server.send(request.body(Full::default()).unwrap()).await.json();
    for name in ["@odata.context", "@odata.nextLink"] {
        let link = json[name].as_str().unwrap();
        assert!(link.starts_with("https://exconn.contoso.com/v1.0/"), "{link}");
    }
    server.end().await;
}

#[tokio::test]
async fn next_links_work_with_the_longest_texts() {
    let server = Server::start().await;
    let text = "𝔘".repeat(1024);
    let names = [
        "primarySmtpAddress",
        "serverName",
        "connectorServerName",
        "version",
        "exchangeAlias",
        "exchangeOrganization",
    ];
    let members: Vec<_> = names.iter().map(|name| format!(r#""{name}":"{text}""#)).collect();
    let body = format!("{{{}}}", members.join(","));
    for _ in 0..3 {
        server.create(&body).await;
    }
    let pages = pages(&server, &format!("{CONNECTORS}?$top=1&$orderby={}", names.join(","))).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    server.end().await;
}

//! The order of lists, and what stands where in it.

use serde_json::Value;

use crate::harness::{CONNECTORS, Server};

/// Name and status; in this order by name descending, then by status.
const ROWS: [(Option<&str>, &str); 9] = [
    (Some("é"), "none"),
    (Some("b"), "none"),
    (Some("b"), "connected"),
    (Some("a"), "connectionPending"),
    (Some("a"), "disconnected"),
    (Some("B"), "none"),
    (Some(""), "connected"),
    (None, "none"),
    (None, "disconnected"),
];

async fn list(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("{CONNECTORS}?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["value"].as_array().unwrap().clone()
}

#[tokio::test]
async fn rows_come_in_the_order_that_was_asked_for() {
    let server = Server::start().await;
    let mut shuffled = ROWS;
    shuffled.reverse();
    shuffled.rotate_left(3);
    for (name, status) in shuffled {
        let name = name.map_or("null".to_owned(), |name| format!("{name:?}"));
        server.create(&format!(r#"{{"serverName":{name},"status":"{status}"}}"#)).await;
    }
    let number = |status: &str| {
        ["none", "connectionPending", "connected", "disconnected"]
            .iter()
            .position(|known| *known == status)
            .unwrap()
    };
    let by_name_and_status = |name_descending: bool, status_descending: bool| {
        let mut rows = ROWS;
        rows.sort_by(|one, other| {
            // None is less than every text, as null is.
            let names = one.0.cmp(&other.0);
            let statuses = number(one.1).cmp(&number(other.1));
            let turned = |order: std::cmp::Ordering, turn: bool| if turn { order.reverse() } else { order };
            turned(names, name_descending).then(turned(statuses, status_descending))
        });
        rows.map(|(name, status)| (name.map(str::to_owned), status.to_owned())).to_vec()
    };
    for (order, expected) in [
        ("serverName,status", by_name_and_status(false, false)),
        ("serverName%20asc,status%20desc", by_name_and_status(false, true)),
        ("serverName%20desc,status", by_name_and_status(true, false)),
        ("SERVERNAME%20DESC,STATUS%20DESC", by_name_and_status(true, true)),
    ] {
        let rows = list(&server, &format!("$orderby={order}")).await;
        let shown: Vec<_> = rows
            .iter()
            .map(|row| {
                (row["serverName"].as_str().map(str::to_owned), row["status"].as_str().unwrap().to_owned())
            })
            .collect();
        assert_eq!(shown, expected, "{order}");
    }
    server.end().await;
}

#[tokio::test]
async fn ties_are_broken_by_the_id() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(server.create(r#"{"serverName":"same"}"#).await);
    }
    ids.sort();
    for (order, descending) in [
        ("serverName", false),
        ("serverName%20desc", true),
        ("status,serverName", false),
        ("status%20desc,serverName", false),
        ("id%20desc", true),
    ] {
        let rows = list(&server, &format!("$orderby={order}&$select=id")).await;
        let mut shown: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        if descending {
            shown.reverse();
        }
        assert_eq!(shown, ids, "{order}");
    }
    server.end().await;
}

#[tokio::test]
async fn filtering_comes_before_ordering_and_ordering_before_skipping() {
    let server = Server::start().await;
    for number in [4, 1, 5, 2, 9, 3] {
        let status = if number == 9 { "none" } else { "connected" };
        server.create(&format!(r#"{{"serverName":"{number}","status":"{status}"}}"#)).await;
    }
    for (query, names) in [
        ("$orderby=serverName&$skip=1&$top=2", vec!["2", "3"]),
        ("$top=2&$skip=1&$orderby=serverName", vec!["2", "3"]),
        ("$filter=status%20eq%20'connected'&$orderby=serverName%20desc&$skip=1&$top=2", vec!["4", "3"]),
        ("$orderby=serverName%20desc&$skip=0&$top=1", vec!["9"]),
        ("$orderby=serverName&$skip=6", vec![]),
        ("$orderby=serverName&$skip=9000000000000000000", vec![]),
    ] {
        let rows = list(&server, query).await;
        let shown: Vec<_> = rows.iter().map(|row| row["serverName"].as_str().unwrap()).collect();
        assert_eq!(shown, names, "{query}");
        let counted = server.get(&format!("{CONNECTORS}?{query}&$count=true")).await.json();
        let total = if query.contains("$filter") { 5 } else { 6 };
        assert_eq!(counted["@odata.count"], total, "what is left out counts too: {query}");
    }
    server.end().await;
}

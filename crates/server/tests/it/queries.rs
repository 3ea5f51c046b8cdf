//! Filters and paging over HTTP, as administrators and attackers write them.

use std::{collections::HashSet, time::Duration};

use exconn_model::{Clock, TenantId};
use exconn_odata::{
    query::After,
    skiptoken::{self, Place},
};
use uuid::Uuid;

use crate::{
    devices::{DEVICES, sync_devices},
    harness::{Answer, CONNECTORS, Server},
};

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn next(answer: &Answer, server: &Server) -> Option<String> {
    let json = answer.json();
    let link = json.get("@odata.nextLink")?.as_str().unwrap();
    Some(link.strip_prefix(&format!("http://{}", server.address)).unwrap().to_owned())
}

#[tokio::test]
async fn administrators_questions_are_answered() {
    let server = Server::start().await;
    sync_devices(&server, 25).await;
    for (filter, count) in [
        ("tolower(deviceName) eq 'phone 0007'", "1"),
        ("length(easDeviceId) eq 7 and indexof(deviceName,'2') ge 8", "7"),
        ("substring(deviceName,6) in ('0001','0002','x')", "2"),
        ("concat(model,concat('/',operatingSystem)) eq 'Model 1/iOS'", "8"),
        ("year(easActivationDateTime) eq 2023 and month(easActivationDateTime) eq 11", "25"),
        ("date(easActivationDateTime) eq 2023-11-14", "25"),
        ("time(easActivationDateTime) eq 22:13:20", "25"),
        ("easActivationDateTime gt now() sub duration'P10000D'", "25"),
        ("easActivationDateTime gt now() sub duration'P1D'", "0"),
        ("now() sub easActivationDateTime gt duration'P365D'", "25"),
        ("length(deviceName) mod 2 eq 0 and not (length(model) div 2 ne 3)", "25"),
        ("contains(userPrincipalName,'x') eq null", "13"),
        ("contains(userPrincipalName,'x') eq false", "12"),
        ("not contains(userPrincipalName,'x')", "12"),
        ("not exchangeAccessState in ('blocked','none')", "15"),
        ("exchangeAccessState gt 'allowed'", "10"),
        ("exchangeAccessState eq '3'", "5"),
        ("managementAgent in ()", "0"),
    ] {
        let answer = server.get(&format!("{DEVICES}/$count?$filter={}", encoded(filter))).await;
        assert_eq!(answer.body, count, "{filter}: {answer:?}");
    }
    let aliased = "$filter=exchangeAccessState%20eq%20@state%20and%20startswith(deviceName,@start)\
        &@state='blocked'&@start='Phone'&$top=2&$count=true";
    let answer = server.get(&format!("{DEVICES}?{aliased}")).await;
    assert_eq!(answer.json()["@odata.count"], 5, "{answer:?}");
    let mut seen = answer.ids();
    let mut link = next(&answer, &server);
    while let Some(path) = link {
        let answer = server.get(&path).await;
        seen.extend(answer.ids());
        link = next(&answer, &server);
    }
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 5);
    server.end().await;
}

#[tokio::test]
async fn the_placeholder_for_future_members_can_be_asked_for() {
    let server = Server::start().await;
    for status in ["connected", "none"] {
        server.create(&format!(r#"{{"status":"{status}"}}"#)).await;
    }
    for preferred in [false, true] {
        for (filter, count) in [
            ("status eq 'unknownFutureValue'", "0"),
            ("status gt 'unknownFutureValue'", "0"),
            ("status lt 'unknownFutureValue'", "2"),
            ("status ne 'unknownFutureValue'", "2"),
        ] {
            let path = format!("{CONNECTORS}/$count?$filter={}", encoded(filter));
            let mut request = server.request("GET", &path);
            if preferred {
                request = request.header("prefer", "include-unknown-enum-members");
            }
            let answer = server.send(request.body(Default::default()).unwrap()).await;
            assert_eq!(answer.body, count, "{filter}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn now_is_the_moment_of_the_first_page() {
    let server = Server::start().await;
    let just_after = server.clock.now().after(Duration::from_secs(10));
    for _ in 0..4 {
        server.create(&format!(r#"{{"lastSyncDateTime":"{just_after}"}}"#)).await;
    }
    let first = server.get(&format!("{CONNECTORS}?$top=2&$filter=lastSyncDateTime%20gt%20now()")).await;
    assert_eq!(first.ids().len(), 2);
    server.clock.advance(Duration::from_secs(60));
    let second = server.get(&next(&first, &server).unwrap()).await;
    assert_eq!(second.ids().len(), 2, "the list does not end because time goes on");
    let fresh = server.get(&format!("{CONNECTORS}?$filter=lastSyncDateTime%20gt%20now()")).await;
    assert_eq!(fresh.ids().len(), 0);
    server.end().await;
}

#[tokio::test]
async fn what_does_not_change_its_place_comes_exactly_once() {
    let server = Server::start().await;
    for order in ["serverName", "serverName%20desc", "exchangeAlias,serverName%20desc", "id%20desc"] {
        let (mut still, mut moving) = (HashSet::new(), Vec::new());
        for number in 0..24 {
            let name = if number % 5 == 0 { "null".to_owned() } else { format!("\"s{:02}\"", number % 9) };
            let id = server.create(&format!(r#"{{"serverName":{name},"exchangeAlias":"a"}}"#)).await;
            if number % 3 == 0 {
                moving.push(id);
            } else {
                still.insert(id);
            }
        }
        let mut seen: Vec<String> = Vec::new();
        let mut path = Some(format!("{CONNECTORS}?$top=4&$orderby={order}"));
        while let Some(current) = path {
            let answer = server.get(&current).await;
            seen.extend(answer.ids());
            path = next(&answer, &server);
            for (number, id) in moving.iter().enumerate() {
                let body = format!(r#"{{"serverName":"s{:02}x"}}"#, (seen.len() + number * 5) % 11);
                assert_eq!(server.write("PATCH", &format!("{CONNECTORS}/{id}"), body).await.status, 200);
            }
            assert!(seen.len() < 500, "no end");
        }
        for id in &still {
            assert_eq!(seen.iter().filter(|one| *one == id).count(), 1, "{order}");
        }
        for id in server.get(&format!("{CONNECTORS}?$top=1000&$select=id")).await.ids() {
            server.delete(&format!("{CONNECTORS}/{id}")).await;
        }
    }
    server.end().await;
}

#[tokio::test]
async fn a_token_opens_only_the_list_that_it_comes_from() {
    let server = Server::start().await;
    for _ in 0..3 {
        server.create(r#"{"serverName":"x"}"#).await;
    }
    let query = "$top=1&$orderby=serverName&$filter=serverName%20eq%20@s&@s='x'";
    let link = next(&server.get(&format!("{CONNECTORS}?{query}")).await, &server).unwrap();
    assert_eq!(server.get(&link).await.ids().len(), 1);
    let (head, token) = link.split_once("$skiptoken=").unwrap();
    let secret = *server.keyring.paging_secret();
    let (id, keys) = (String::new(), Vec::new());
    let elsewhere = Place { after: After { keys, id }, now: None };
    let stranger = TenantId(Uuid::from_u128(1));
    let plain = exconn_odata::options::Options::default();
    let of_a_stranger =
        skiptoken::seal(&elsewhere, &plain.scope(stranger, "deviceManagement/exchangeConnectors"), &secret);
    let own = skiptoken::seal(
        &elsewhere,
        &plain.scope(server.keyring.tenant(), "deviceManagement/exchangeConnectors"),
        &secret,
    );
    assert_eq!(server.get(&format!("{CONNECTORS}?$skiptoken={own}")).await.ids().len(), 3);
    for path in [
        format!("{CONNECTORS}?$skiptoken={of_a_stranger}"),
        format!("{CONNECTORS}?$skiptoken={token}"),
        link.replace("'x'", "'y'").replace("%27x%27", "%27y%27"),
        link.replace("serverName&", "serverName%20desc&"),
        format!("{head}$skiptoken={}", &token[..token.len() - 2]),
        format!("{head}$skiptoken={token}{token}"),
        format!("{head}$skiptoken={}", "A".repeat(50_000)),
    ] {
        let answer = server.get(&path).await;
        let (_, said) = answer.error(400);
        assert!(said.contains("$skiptoken"), "{said}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_link_outlives_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start_in(folder.path(), |_| {}).await;
    for number in 0..3 {
        first.create(&format!(r#"{{"serverName":"s{number}"}}"#)).await;
    }
    let link = next(&first.get(&format!("{CONNECTORS}?$top=1&$orderby=serverName")).await, &first).unwrap();
    first.end().await;
    let second = Server::start_in(folder.path(), |_| {}).await;
    let json = second.get(&link).await.json();
    assert_eq!(json["value"][0]["serverName"], "s1");
    second.end().await;
}

#[tokio::test]
async fn hostile_filters_are_refused_at_once() {
    let server = Server::start().await;
    server.create("{}").await;
    for filter in [
        "(".repeat(10_000),
        format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000)),
        "not ".repeat(5_000),
        "-".repeat(10_000),
        "tolower(".repeat(5_000),
        format!("id eq '{}'", "x".repeat(30_000)),
        vec!["true"; 4_000].join(" or "),
    ] {
        let answer = server.get(&format!("{CONNECTORS}?$filter={}", filter.replace(' ', "+"))).await;
        let (_, said) = answer.error(400);
        assert!(said.len() < 1_000, "{said}");
    }
    // The deepest filters that are understood reach the database, which has bounds of its own.
    for filter in [
        vec!["true"; 256].join(" lt "),
        vec!["(serverName eq version)"; 102].join(" eq "),
        format!("{}true{}", "not (".repeat(32), ")".repeat(32)),
        format!("{}id{} eq 'a'", "tolower(".repeat(60), ")".repeat(60)),
        vec!["length(id)"; 170].join(" add ") + " gt 1",
        vec!["(serverName le version)"; 102].join(" le "),
        vec!["id eq 'a'"; 128].join(" or "),
    ] {
        let answer = server.get(&format!("{CONNECTORS}/$count?$filter={}", encoded(&filter))).await;
        assert_eq!(answer.status, 200, "{filter}: {answer:?}");
    }
    server.end().await;
}

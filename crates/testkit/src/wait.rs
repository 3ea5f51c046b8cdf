use std::time::Duration;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` holds. It looks at the state itself again and again, so it cannot miss an event.
///
/// # Panics
/// If the condition does not hold within `bound`.
pub async fn wait_until<C, F>(bound: Duration, mut condition: C)
where
    C: FnMut() -> F,
    F: Future<Output = bool>,
{
    let wait = async {
        while !condition().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(bound, wait).await.is_err() {
        panic!("what the test waits for has not come true within {bound:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_once_the_condition_holds() {
        let mut looks = 0;
        wait_until(Duration::from_secs(5), || {
            looks += 1;
            let holds = looks == 3;
            async move { holds }
        })
        .await;
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "within 20ms")]
    async fn it_gives_up_at_its_bound() {
        wait_until(Duration::from_millis(20), || async { false }).await;
    }
}

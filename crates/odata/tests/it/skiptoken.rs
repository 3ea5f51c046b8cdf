use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exconn_model::{
    MANAGED_DEVICE, Timestamp,
    schema::{PropertyType, Value},
};
use exconn_odata::{
    query::{After, OrderBy},
    skiptoken::{self, BadToken, Place},
};
use proptest::{collection::vec, prelude::*};

const KEY: [u8; 32] = [7; 32];

fn value_of(kind: PropertyType) -> BoxedStrategy<Value<'static>> {
    let value = match kind {
        PropertyType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        PropertyType::String => ".{0,20}".prop_map(|text| Value::Text(text.into())).boxed(),
        PropertyType::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
        PropertyType::Complex(_) => Just(Value::Null).boxed(),
        PropertyType::DateTimeOffset => {
            (0..i64::MAX).prop_map(|ticks| Value::Timestamp(Timestamp::from_ticks(ticks))).boxed()
        }
        PropertyType::Enum(kind) => any::<i32>().prop_map(move |number| Value::Enum(kind, number)).boxed(),
    };
    prop_oneof![4 => value, 1 => Just(Value::Null)].boxed()
}

fn places() -> impl Strategy<Value = (Vec<OrderBy>, Place)> {
    let order = vec((0..MANAGED_DEVICE.properties.len(), any::<bool>()), 0..5);
    order.prop_flat_map(|order| {
        let keys: Vec<_> =
            order.iter().map(|(property, _)| value_of(MANAGED_DEVICE.properties[*property].kind)).collect();
        let order: Vec<_> =
            order.into_iter().map(|(property, descending)| OrderBy { property, descending }).collect();
        let now = prop::option::of((0..i64::MAX).prop_map(Timestamp::from_ticks));
        (Just(order), keys, ".{0,40}", now)
            .prop_map(|(order, keys, id, now)| (order, Place { after: After { keys, id }, now }))
    })
}

proptest! {
    #[test]
    fn a_token_is_read_back((order, place) in places(), scope in ".{0,20}") {
        let token = skiptoken::seal(&place, &scope, &KEY);
        prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        prop_assert_eq!(skiptoken::open(&token, &scope, &KEY, &MANAGED_DEVICE, &order), Ok(place));
    }

    #[test]
    fn a_flipped_bit_is_refused((order, place) in places(), bit in any::<prop::sample::Index>()) {
        let token = skiptoken::seal(&place, "scope", &KEY);
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let altered = URL_SAFE_NO_PAD.encode(bytes);
        prop_assert_eq!(skiptoken::open(&altered, "scope", &KEY, &MANAGED_DEVICE, &order), Err(BadToken));
    }

    #[test]
    fn no_text_is_a_token(text in "\\PC{0,80}|[A-Za-z0-9_-]{0,120}") {
        prop_assert_eq!(skiptoken::open(&text, "scope", &KEY, &MANAGED_DEVICE, &[]), Err(BadToken));
    }
}

#[test]
fn every_single_change_of_a_token_is_refused() {
    let after = After { keys: vec![Value::Text("Zürich".into())], id: "id".to_owned() };
    let place = Place { after, now: None };
    let order = [OrderBy { property: MANAGED_DEVICE.position("deviceName").unwrap(), descending: false }];
    let token = skiptoken::seal(&place, "scope", &KEY);
    for at in 0..token.len() {
        for other in ["A", "B", "_", "=", "+", "/", "é", ""] {
            let altered = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            if altered != token {
                let opened = skiptoken::open(&altered, "scope", &KEY, &MANAGED_DEVICE, &order);
                assert_eq!(opened, Err(BadToken), "{altered}");
            }
        }
    }
    for longer in [format!("{token}A"), format!("{token}="), format!("{token}AAAA"), format!(" {token}")] {
        assert_eq!(
            skiptoken::open(&longer, "scope", &KEY, &MANAGED_DEVICE, &order),
            Err(BadToken),
            "{longer}"
        );
    }
}

#[test]
fn a_token_belongs_to_its_key_scope_and_order() {
    let name = OrderBy { property: MANAGED_DEVICE.position("deviceName").unwrap(), descending: false };
    let moment =
        OrderBy { property: MANAGED_DEVICE.position("easActivationDateTime").unwrap(), descending: false };
    let after = After { keys: vec![Value::Text("a".into())], id: "id".to_owned() };
    let place = Place { after, now: Some(Timestamp::UNSET) };
    let token = skiptoken::seal(&place, "tenant a", &KEY);
    let open = |scope: &str, key: &[u8; 32], order: &[OrderBy]| {
        skiptoken::open(&token, scope, key, &MANAGED_DEVICE, order)
    };
    assert_eq!(open("tenant a", &KEY, &[name]), Ok(place.clone()));
    assert_eq!(open("tenant b", &KEY, &[name]), Err(BadToken));
    assert_eq!(open("tenant a", &[8; 32], &[name]), Err(BadToken));
    for order in [&[moment][..], &[], &[name, name], &[OrderBy { property: 999, descending: false }]] {
        assert_eq!(open("tenant a", &KEY, order), Err(BadToken), "{order:?}");
    }
    assert_eq!(token, skiptoken::seal(&place, "tenant a", &KEY), "a restart changes nothing");
}

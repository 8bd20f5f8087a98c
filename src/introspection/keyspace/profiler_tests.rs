use super::*;

fn seen<'a>(key: &'a str, kind: &'a str, ttl_ms: Option<u64>) -> KeySeen<'a> {
    KeySeen { key: key.as_bytes(), kind, ttl_ms, bytes: Some(100), length: Some(1), ..KeySeen::default() }
}

fn profile(keys: &[KeySeen<'_>]) -> KeyspaceProfile {
    let limits = CompactLimits { hash: Some(("hash-max-listpack-entries".into(), 128)), ..CompactLimits::default() };
    let mut profiler = Profiler::new(1_700_000_000_000, limits);
    for key in keys {
        profiler.note(key);
    }
    profiler.finish(Basis::Everything, keys.len() as u64)
}

#[test]
fn prefixes_add_up() {
    let profile = profile(&[
        seen("user:1", "hash", None),
        seen("user:2", "hash", Some(5000)),
        seen("user:3", "string", None),
        seen("job", "list", None),
    ]);
    assert_eq!((profile.seen, profile.without_ttl, profile.bytes), (4, 3, Some(400)));
    let user = &profile.prefixes[0];
    assert_eq!((user.name.as_str(), user.keys, user.without_ttl), ("user:", 3, 2));
    assert_eq!(user.types["hash"], 2);
    assert_eq!(user.example_with_ttl.as_deref(), Some("user:2"));
    assert_eq!(profile.prefixes.iter().map(|prefix| prefix.keys).sum::<u64>(), 4);
}

#[test]
fn purposes_are_told_apart() {
    let counter = KeySeen { encoding: "int", ..seen("rate:1.2.3.4", "string", None) };
    let profile = profile(&[counter, seen("rate:x", "string", Some(1000)), seen("sess:index", "set", None)]);
    let rate = profile.purpose(Purpose::RateLimit);
    assert_eq!(
        (rate.keys, rate.numbers_without_ttl, rate.examples_without_ttl),
        (2, 1, vec!["rate:1.2.3.4".to_owned()])
    );
    assert_eq!(profile.purpose(Purpose::Session).indexes_without_ttl, 1);
    assert_eq!(profile.purpose(Purpose::Lock).keys, 0);
}

#[test]
fn memory_does_not_grow_with_the_keys() {
    let mut profiler = Profiler::new(0, CompactLimits::default());
    for n in 0..50_000_u64 {
        let name = format!(
            "p{}x:{n}",
            "abcdefghij".chars().cycle().skip(n as usize % 10).take(n as usize % 4000).collect::<String>()
        );
        profiler.note(&KeySeen { bytes: Some(n), ..seen(&name, "stream", Some(n)) });
    }
    assert!(profiler.prefixes.len() <= PREFIXES_KEPT + 1);
    assert!(profiler.streams.len() <= STREAMS_KEPT);
    let profile = profiler.finish(Basis::Everything, 50_000);
    assert_eq!(profile.largest.len(), LARGEST_KEPT);
    assert_eq!(profile.largest[0].bytes, Some(49_999), "largest first");
    assert_eq!(profile.largest[49].bytes, Some(49_950));
}

#[test]
fn the_same_key_drawn_twice_is_listed_once() {
    let profile = profile(&[seen("a:1", "string", None), seen("a:1", "string", None)]);
    assert_eq!((profile.seen, profile.largest.len()), (2, 1));
}

#[test]
fn habits_of_naming_are_compared() {
    let keys = [
        "user:1",
        "user:2",
        "users:1",
        "users:2",
        "User:1",
        "User:2",
        "user_1",
        "user_2",
        "session:1",
        "session:2",
        "sesion:1",
        "sesion:2",
        "node1:a",
        "node1:b",
        "node2:a",
        "node2:b",
    ];
    let keys: Vec<_> = keys.iter().map(|key| seen(key, "string", None)).collect();
    let reasons: Vec<_> =
        profile(&keys).variants.into_iter().map(|(a, b, reason)| format!("{a} {b} {reason}")).collect();
    assert!(reasons.contains(&"user: users: singular and plural".to_owned()), "{reasons:?}");
    assert!(reasons.contains(&"User: user: upper and lower case".to_owned()), "{reasons:?}");
    assert!(reasons.contains(&"user: user_ the same word with different separators".to_owned()), "{reasons:?}");
    assert!(reasons.contains(&"sesion: session: one letter apart".to_owned()), "{reasons:?}");
    assert!(!reasons.iter().any(|reason| reason.contains("node")), "numbered names are meant: {reasons:?}");
}

#[test]
fn collections_that_just_outgrew_the_compact_encoding_are_counted() {
    let hash = |length, encoding| KeySeen { length: Some(length), encoding, ..seen("h:1", "hash", None) };
    let profile = profile(&[
        hash(129, "hashtable"),
        hash(256, "hashtable"),
        hash(257, "hashtable"),
        hash(100, "listpack"),
        hash(100, "hashtable"),
    ]);
    assert_eq!(profile.prefixes[0].just_outgrown["hash-max-listpack-entries"], 2);
}

#[test]
fn a_sample_says_how_sure_it_is() {
    let mut profile = profile(&[seen("a", "string", None)]);
    profile.seen = 1000;
    assert_eq!(profile.share(250), (0.25, 0.25, 0.25), "everything was looked at");
    profile.basis = Basis::Sample;
    let (share, low, high) = profile.share(250);
    // Wilson's interval for 250 of 1000 at 95 %, from a table.
    assert_eq!(share, 0.25);
    assert!((low - 0.2242).abs() < 0.0002 && (high - 0.2778).abs() < 0.0002, "{low} {high}");
}

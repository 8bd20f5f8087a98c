//! What may be typed, and what may not.

use super::*;

/// The URL, as `address|user|password|tls|db`.
#[track_caller]
fn check(url: &str, expected: &str) {
    let url = InstanceUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    let password = url.credentials.password.as_ref().map(Secret::expose).unwrap_or("-");
    let user = url.credentials.username.as_deref().unwrap_or("-");
    let database = url.database.map_or("-".to_owned(), |number| number.to_string());
    assert_eq!(format!("{}|{user}|{password}|{}|{database}", url.address, url.tls), expected);
}

#[test]
fn urls_of_tcp_servers() {
    check("redis://", "127.0.0.1:6379|-|-|false|-");
    check("redis://host", "host:6379|-|-|false|-");
    check("redis://host/", "host:6379|-|-|false|-");
    check("REDIS://host:7000/5", "host:7000|-|-|false|5");
    check("redis://host:/5/", "host:6379|-|-|false|5");
    check("redis://:7000", "127.0.0.1:7000|-|-|false|-");
    check("redis://host?db=3", "host:6379|-|-|false|3");
    check("rediss://host", "host:6379|-|-|true|-");
    check("valkeys://host", "host:6379|-|-|true|-");
    check("redis://[::1]:7000", "[::1]:7000|-|-|false|-");
    check("redis://[fe80:0::1]", "[fe80::1]:6379|-|-|false|-");
    check("redis://ops:pw@host", "host:6379|ops|pw|false|-");
    check("redis://ops@host", "host:6379|ops|-|false|-");
    check("redis://:pw@host", "host:6379|-|pw|false|-");
    check("redis://ops:@host", "host:6379|ops||false|-");
    check("redis://:@host", "host:6379|-|-|false|-");
    check("redis://o%40ps:p%3A%2f%25w@host/1", "host:6379|o@ps|p:/%w|false|1");
    check("redis://ops:a:b@c/d?e#f+g@host/1", "host:6379|ops|a:b@c/d?e#f+g|false|1");
}

#[test]
fn urls_of_sockets() {
    check("unix:///run/redis.sock", "unix:/run/redis.sock|-|-|false|-");
    check("unix:///run/redis.sock?db=2", "unix:/run/redis.sock|-|-|false|2");
    check("unix://redis.sock", "unix:redis.sock|-|-|false|-");
    check("redis+unix:///a%20b@c", "unix:/a b@c|-|-|false|-");
    check("unix://ops:pw@/run/redis.sock", "unix:/run/redis.sock|ops|pw|false|-");
    check("unix:///run/redis.sock?user=ops&password=p%26w&db=1", "unix:/run/redis.sock|ops|p&w|false|1");
}

#[test]
fn urls_of_sentinel_groups() {
    check("redis+sentinel://a,b:5000/mymaster", "mymaster of Sentinel a:26379,b:5000|-|-|false|-");
    check("rediss+sentinel://u:p@[::1]:1,b/m/3", "m of Sentinel [::1]:1,b:26379|u|p|true|3");
}

#[test]
fn a_url_that_is_not_understood_says_why_without_its_password() {
    for (url, reason) in [
        ("host", "there is no scheme"),
        ("hunter2@host", "there is no scheme"),
        ("http://:hunter2@host", "the scheme must be"),
        ("redis://:hunter2@host:0", "the port is not a number"),
        ("redis://:hunter2@host:65536", "the port is not a number"),
        ("redis://host:hunter2", "the port is not a number"),
        ("redis://:hunter2@host/hunter2", "the database is not a number"),
        ("redis://:hunter2@host/4294967296", "the database is not a number"),
        ("redis://:hunter2@host/-1", "the database is not a number"),
        ("redis://:hunter2%@host", "the password ends in the middle"),
        ("redis://:hunter2%zz@host", "the password has a `%`"),
        ("redis://:hunter2%ff@host", "the password is not UTF-8"),
        ("redis://::1", "write an IPv6 address in brackets"),
        ("redis://[::1", "`[` without `]`"),
        ("redis://[hunter2]", "no IPv6 address"),
        ("redis://[::1]6379", "unexpected text between"),
        ("redis://my host", "the host has a space"),
        ("redis://host?hunter2=hunter2", "a parameter is unknown"),
        ("redis://host#hunter2", "a `#` is not allowed"),
        ("unix://", "the path of the socket is missing"),
        ("redis+sentinel://host", "a Sentinel URL is"),
        ("redis+sentinel:///service", "a Sentinel URL is"),
    ] {
        let error = InstanceUrl::parse(url).expect_err(url);
        assert!(error.reason.starts_with(reason), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error}");
    }
}

#[test]
fn no_text_makes_the_parser_panic() {
    let alphabet = [
        "redis://",
        "unix://",
        "redis+sentinel://",
        "@",
        ":",
        "/",
        "%",
        "%4",
        "[",
        "]",
        "?",
        "#",
        "é",
        ",",
        "db=",
        "a",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..8 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(alphabet[(state >> 60) as usize]);
        }
        let _ = InstanceUrl::parse(&text);
    }
}

#[test]
fn a_password_is_in_no_debug_output_of_a_url() {
    let url = InstanceUrl::parse("rediss://ops:hunter2@host:1/2").expect("a URL");
    let shown = format!("{url:?} {url:#?} {}", url.address);
    assert!(!shown.contains("hunter2"), "{shown}");
}

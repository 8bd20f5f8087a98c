//! What `lock` and `schedule` answer.

use super::super::{count, described, list, maybe, number, object, one_of, text, time, truth};
use super::{Fields, lock_fields};

pub(in crate::commands) fn locks() -> Fields {
    let on_server = object(&[
        ("token", text()),
        ("holder", maybe(text())),
        ("lapses_in_seconds", described(maybe(number()), "null: it never lapses")),
    ]);
    let mut of_instance = lock_fields();
    of_instance.push(("instance", text()));
    let fields = vec![
        ("key", text()),
        ("exit_code", described(count(), "of the command; 128 and the number of the signal that ended it")),
        ("seconds", described(number(), "that the command ran")),
        ("held", truth()),
        ("lock", maybe(on_server)),
        ("locks", described(list(object(&of_instance)), "of the instances of the repository")),
        ("instance", text()),
        ("released", truth()),
    ];
    (
        fields,
        vec![
            vec!["key", "exit_code", "seconds"],
            vec!["key", "held", "lock"],
            vec!["key", "released"],
            vec!["locks"],
            vec!["instance", "released"],
        ],
    )
}

pub(in crate::commands) fn schedule() -> Fields {
    let fields = vec![
        ("as", one_of(["cron", "systemd", "kubernetes"])),
        ("instance", text()),
        ("enabled", described(truth(), "false: the settings say `backup.enabled: false`, and nothing is printed")),
        ("time_zone", text()),
        ("archives", truth()),
        ("jitter_seconds", count()),
        ("schedule", described(maybe(text()), "a cron line of five fields")),
        ("next", described(list(time()), "the next five times")),
        ("files", list(object(&[("name", text()), ("text", text())]))),
    ];
    (
        fields,
        vec![vec!["as", "instance", "enabled", "archives", "time_zone", "jitter_seconds", "schedule", "next", "files"]],
    )
}

use std::fs::{File, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OutputModes};

use super::*;
use crate::printer::Choices;
use crate::printer::kept::Kept;

/// A pseudo-terminal: our side, which keeps it open, and that of the program.
fn pseudo_terminal() -> (File, OwnedFd) {
    let ours = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
    grantpt(&ours).and_then(|()| unlockpt(&ours)).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
    (ours, theirs.into())
}

/// A printer both of whose streams are kept together, in their order.
fn printer() -> (Printer, Kept) {
    let kept = Kept::default();
    (Printer::over(Choices::plain(), Box::new(kept.clone()), Box::new(kept.clone())), kept)
}

fn modes(terminal: &OwnedFd) -> (LocalModes, OutputModes) {
    let modes = tcgetattr(terminal).unwrap();
    (modes.local_modes, modes.output_modes)
}

#[test]
fn a_panic_gives_the_terminal_back_as_it_was() {
    let (_ours, theirs) = pseudo_terminal();
    let (printer, kept) = printer();
    let before = modes(&theirs);
    assert!(before.0.contains(LocalModes::ECHO | LocalModes::ICANON), "{before:?}");
    let keyboard = theirs.try_clone().unwrap();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let _taken = Taken::over(keyboard, &printer, || false).unwrap();
        assert!(!modes(&theirs).0.intersects(LocalModes::ECHO | LocalModes::ICANON), "it is taken over");
        assert_eq!(kept.text(), ENTER);
        let nothing: Vec<u8> = Vec::new();
        nothing[usize::from(kept.text().is_empty())]
    }));
    assert!(ended.is_err(), "it panicked");
    assert_eq!(modes(&theirs), before);
    assert_eq!(kept.text(), format!("{ENTER}{LEAVE}"));
    // What is said then is said on the screen that was there before.
    printer.say("error: this is a bug");
    assert_eq!(kept.text(), format!("{ENTER}{LEAVE}error: this is a bug\n"));
}

#[test]
fn a_line_on_stderr_is_shown_on_the_screen_that_was_there_before() {
    let (_ours, theirs) = pseudo_terminal();
    let (printer, kept) = printer();
    let taken = Taken::over(theirs, &printer, || false).unwrap();
    assert!(!taken.is_dirty());
    printer.trouble("warning: a note");
    assert_eq!(kept.text(), format!("{ENTER}{LEAVE}warning: a note\n{ENTER}"));
    assert!(taken.is_dirty(), "all has to be drawn again");
    assert!(!taken.is_dirty(), "once");
    drop(taken);
    assert_eq!(kept.text(), format!("{ENTER}{LEAVE}warning: a note\n{ENTER}{LEAVE}"));
}

#[test]
fn a_second_signal_finds_the_terminal_given_back() {
    let (_ours, theirs) = pseudo_terminal();
    let (printer, kept) = printer();
    let before = modes(&theirs);
    let taken = Taken::over(theirs.try_clone().unwrap(), &printer, || true).unwrap();
    printer.say("stopped at once, without cleaning up");
    // The process ends here without dropping anything.
    assert_eq!(modes(&theirs), before);
    assert_eq!(kept.text(), format!("{ENTER}{LEAVE}stopped at once, without cleaning up\n"));
    drop(taken);
    assert!(kept.text().ends_with("cleaning up\n"), "it is left once");
}

#[test]
fn what_is_no_terminal_is_not_taken_over() {
    let (printer, kept) = printer();
    let file = File::open("/dev/null").unwrap();
    assert!(Taken::over(file.into(), &printer, || false).is_err());
    assert_eq!(kept.text(), "");
}

#[test]
fn a_picture_is_one_write() {
    let (printer, kept) = printer();
    let mut canvas = Canvas::on(&printer);
    canvas.write_all(b"one ").unwrap();
    canvas.write_all(b"two").unwrap();
    assert_eq!(kept.text(), "");
    canvas.flush().unwrap();
    assert_eq!(kept.text(), "one two");
}

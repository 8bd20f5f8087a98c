//! A stream as JSON: its entries, then what it says of itself, then its groups with what is pending and who owns it.

use super::text::written;
use super::{Lines, State};
use crate::rdb::visit::Piece;

impl Lines {
    pub(super) fn stream(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::StreamEntry { id, .. } => {
                match self.value {
                    State::Fields(_) => self.text.push_str("]},"),
                    _ => self.text.push_str("{\"entries\":["),
                }
                self.text.push_str(&format!("{{\"id\":\"{}\",\"fields\":[", written(id)));
                self.value = State::Fields(true);
            }
            Piece::StreamField { field, value } => {
                self.comma(self.value == State::Fields(true));
                self.value = State::Fields(false);
                self.text.push('[');
                self.element(field);
                self.text.push(',');
                self.element(value);
                self.text.push(']');
            }
            Piece::StreamInfo(info) => {
                self.end_entries();
                let last_id = written(info.last_id);
                self.text.push_str(&format!(",\"length\":{},\"last_id\":\"{last_id}\",\"groups\":[", info.length));
                self.value = State::Groups;
            }
            Piece::StreamGroup { name, last_id, .. } => {
                let first = self.value == State::Groups;
                self.end_group();
                self.comma(first);
                self.text.push('{');
                self.pair("name", name);
                self.text.push_str(&format!(",\"last_delivered_id\":\"{}\",\"pending\":[", written(last_id)));
                self.value = State::Pending(true);
            }
            Piece::StreamPending { id, delivered_ms, count } => {
                self.comma(self.value == State::Pending(true));
                self.value = State::Pending(false);
                let id = written(id);
                self.text.push_str(&format!("{{\"id\":\"{id}\",\"delivered_ms\":{delivered_ms},\"count\":{count}}}"));
            }
            Piece::StreamConsumer { name, seen_ms, .. } => {
                match self.value {
                    State::Pending(_) => self.text.push_str("],\"consumers\":["),
                    State::Owned(_) => self.text.push_str("]},"),
                    _ => {}
                }
                self.text.push('{');
                self.pair("name", name);
                self.text.push_str(&format!(",\"seen_ms\":{seen_ms},\"pending\":["));
                self.value = State::Owned(true);
            }
            Piece::StreamOwned(id) => {
                self.comma(self.value == State::Owned(true));
                self.value = State::Owned(false);
                self.text.push_str(&format!("\"{}\"", written(id)));
            }
            // How a stream remembers its producers is not its content.
            _ => {}
        }
    }

    fn end_entries(&mut self) {
        match self.value {
            State::Fields(_) => self.text.push_str("]}]"),
            _ => self.text.push_str("{\"entries\":[]"),
        }
    }

    fn end_group(&mut self) {
        match self.value {
            State::Pending(_) => self.text.push_str("],\"consumers\":[]}"),
            State::Owned(_) => self.text.push_str("]}]}"),
            _ => {}
        }
    }

    pub(super) fn end_stream(&mut self) {
        if matches!(self.value, State::Named | State::Fields(_)) {
            self.end_entries();
            self.text.push('}');
            return;
        }
        self.end_group();
        self.text.push_str("]}");
    }
}

//! Vector sets: a module's value by form, but its order and its graph change with every load.
//!
//! A server writes the elements from the newest to the oldest and inserts them in the order in which it reads them, so that a
//! restored set is written the other way round; and the links between elements are an index. Redis
//! `modules/vector-sets/vset.c`, `VectorSetRdbSave`, and `hnsw.c`, `hnsw_serialize_node`.

use super::sponge::Sponge;
use crate::rdb::visit::Piece;

/// Flag: a random projection (input dimension and matrix) follows.
const HAS_PROJECTION: u64 = 1;
/// Flag: elements have attributes.
const HAS_ATTRIBUTES: u64 = 2;

/// Which part comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Next {
    Dimension,
    Count,
    Configuration,
    Flags,
    InputDimension,
    Matrix,
    Name,
    Attribute,
    Vector,
    Parameters,
    /// The numbers of a node that are to come: id, level and links, and as the last one norm and range of the vector.
    Parameter(u64),
    /// The value is laid out in a way that this reader does not know.
    #[default]
    Strange,
}

#[derive(Default)]
pub(super) struct VectorsetDigest {
    next: Option<Next>,
    head: [u64; 3],
    projection: u128,
    flags: u64,
    announced: u64,
    elements: u64,
    sum: u128,
}

impl VectorsetDigest {
    /// A set begins. Only encoding version 0 is known.
    pub fn begin(&mut self, id: u64) {
        let next = if id & 1023 == 0 { Next::Dimension } else { Next::Strange };
        *self = Self { next: Some(next), ..Self::default() };
    }

    pub fn part(&mut self, piece: Piece<'_>, sponge: &mut Sponge) {
        let next = self.next.unwrap_or_default();
        self.next = Some(match piece {
            Piece::ModuleUnsigned(number) => self.number(next, number, sponge),
            Piece::ModuleString(bytes) => self.string(next, bytes, sponge),
            _ => Next::Strange,
        });
    }

    fn number(&mut self, next: Next, number: u64, sponge: &mut Sponge) -> Next {
        match next {
            Next::Dimension => {
                self.head[0] = number;
                Next::Count
            }
            Next::Count => {
                self.announced = number;
                Next::Configuration
            }
            Next::Configuration => {
                self.head[1] = number;
                Next::Flags
            }
            Next::Flags => {
                self.flags = number;
                match number {
                    flags if flags > HAS_PROJECTION | HAS_ATTRIBUTES => Next::Strange,
                    flags if flags & HAS_PROJECTION != 0 => Next::InputDimension,
                    _ => Next::Name,
                }
            }
            Next::InputDimension => {
                self.head[2] = number;
                Next::Matrix
            }
            Next::Parameters if number > 0 => Next::Parameter(number),
            Next::Parameter(1) => {
                sponge.number(number);
                self.sum = self.sum.wrapping_add(sponge.squeeze());
                self.elements += 1;
                Next::Name
            }
            Next::Parameter(left) => Next::Parameter(left - 1),
            _ => Next::Strange,
        }
    }

    fn string(&mut self, next: Next, bytes: &[u8], sponge: &mut Sponge) -> Next {
        match next {
            Next::Matrix => {
                sponge.bytes(bytes);
                self.projection = sponge.squeeze();
                Next::Name
            }
            Next::Name => {
                sponge.string(bytes);
                if self.flags & HAS_ATTRIBUTES != 0 {
                    return Next::Attribute;
                }
                sponge.string(b"");
                Next::Vector
            }
            Next::Attribute => {
                sponge.string(bytes);
                Next::Vector
            }
            Next::Vector => {
                sponge.string(bytes);
                Next::Parameters
            }
            _ => Next::Strange,
        }
    }

    /// Number of elements and hash; nothing if it was not written as known.
    pub fn finish(&mut self, sponge: &mut Sponge) -> Option<(u64, u128)> {
        sponge.clear();
        if self.next.take() != Some(Next::Name) || self.elements != self.announced {
            return None;
        }
        for number in self.head {
            sponge.number(number);
        }
        sponge.wide(self.projection);
        sponge.number(self.elements);
        sponge.wide(self.sum);
        Some((self.elements, sponge.squeeze()))
    }
}

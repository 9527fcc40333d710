//! What is read means what kubectl means; what is refused says where and why.

mod faults;
mod meaning;
mod wild;

use crate::document::Document;
use crate::finding::Finding;

fn read(text: &str) -> (Vec<Document>, Vec<Finding>) {
    super::read("a.yaml", text.as_bytes())
}

use super::exchange::DirectoryExchange;
use crate::Report;

pub(super) async fn examine(_directory: &DirectoryExchange, _report: &mut dyn Report) {}

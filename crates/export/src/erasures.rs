//! Orders to erase, and who has carried them out.

use std::io::Write;

use store::Connection;

use crate::{Csv, ExportError};

/// Writes every order at every clinic that has to carry it out: `erased` is how many payloads went
/// there, and `receipt` when its signed receipt came. A clinic that is shut out can no longer be asked.
///
/// # Errors
///
/// [`ExportError`].
pub fn erasures<W: Write>(conn: &Connection, out: &mut Csv<W>) -> Result<(), ExportError> {
    out.row([
        "order",
        "asked_at",
        "what",
        "reason",
        "erased_at_hub",
        "site",
        "state",
        "erased",
        "receipt",
    ])?;
    for standing in replication::hub::standings(conn)? {
        let state = match (standing.receipt, standing.shut_out) {
            (Some(_), _) => "erased",
            (None, false) => "outstanding",
            (None, true) => "shut out",
        };
        let (erased, receipt) = standing
            .receipt
            .map(|(erased, at)| (erased.to_string(), at.to_string()))
            .unwrap_or_default();
        out.row([
            &standing.order.to_string(),
            &standing.asked_at.to_string(),
            &standing.what,
            &standing.reason,
            &standing.erased_here.to_string(),
            standing.site_name.as_str(),
            state,
            &erased,
            &receipt,
        ])?;
    }
    Ok(())
}

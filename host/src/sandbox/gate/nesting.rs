//! Bounds types in types before the parser reads them.
//!
//! Component and instance types hold declarations, which may be types again, three bytes a level.
//! The parser reads them by recursion, and so does the drop of what it read: a few hundred
//! kilobytes would end the process with its stack. This walk uses a list instead.

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentImport, ComponentType,
    ComponentTypeRef, CoreType,
};

use super::error::{Counted, GateError, bound};
use super::limits::GateLimits;

const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;

/// Counts the types in the contents of a component type section, declarations inside of types
/// included. `before` is how many there were before this section.
pub(super) fn count_types(
    mut section: BinaryReader<'_>,
    before: u64,
    limits: &GateLimits,
) -> Result<u64, GateError> {
    let mut types = before;
    // How many declarations are left in each type that is open. The section comes first.
    let mut open = vec![section.read_var_u32()?];
    while let Some(left) = open.last_mut() {
        let Some(fewer) = left.checked_sub(1) else {
            open.pop();
            continue;
        };
        *left = fewer;
        types = types.saturating_add(1);
        let offset = section.original_position();
        bound(Counted::Types, types, limits.types_max, offset)?;
        let nested = if open.len() == 1 {
            a_type(&mut section)?
        } else {
            declaration(&mut section, limits)?
        };
        if let Some(declarations) = nested {
            if open.len() as u64 >= limits.nesting_max {
                return Err(GateError::TooDeep { offset, max: limits.nesting_max });
            }
            open.push(declarations);
        }
    }
    Ok(types)
}

/// Reads one type; for one that holds declarations, only how many.
fn a_type(reader: &mut BinaryReader<'_>) -> Result<Option<u32>, GateError> {
    match reader.clone().read_u8()? {
        COMPONENT_TYPE | INSTANCE_TYPE => {
            reader.read_u8()?;
            Ok(Some(reader.read_var_u32()?))
        }
        _ => {
            reader.read::<ComponentType<'_>>()?;
            Ok(None)
        }
    }
}

fn declaration(
    reader: &mut BinaryReader<'_>,
    limits: &GateLimits,
) -> Result<Option<u32>, GateError> {
    let offset = reader.original_position();
    match reader.read_u8()? {
        0x00 => {
            reader.read::<CoreType<'_>>()?;
        }
        0x01 => return a_type(reader),
        0x02 => {
            reader.read::<ComponentAlias<'_>>()?;
        }
        0x03 => name(reader.read::<ComponentImport<'_>>()?.name, offset, limits)?,
        0x04 => {
            name(reader.read::<ComponentExternName<'_>>()?, offset, limits)?;
            reader.read::<ComponentTypeRef>()?;
        }
        _ => {
            let detail = "no such declaration in a type".to_owned();
            return Err(GateError::Invalid { offset, detail });
        }
    }
    Ok(None)
}

fn name(
    name: ComponentExternName<'_>,
    offset: usize,
    limits: &GateLimits,
) -> Result<(), GateError> {
    bound(Counted::NameBytes, name.name.len() as u64, limits.name_bytes_max, offset)
}

//! Columns that remember how long they are, so that a row costs only the values it has: runs of nulls are filled in when the next
//! value comes, or at the end of the row group.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, BinaryArray, BinaryBuilder, BooleanBuilder, Decimal128Builder, Float64Builder, Int32Builder,
    Int64Builder, ListArray, PrimitiveBuilder, StringArray, StringBuilder, StructArray, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Fields, TimeUnit};
use arrow::error::ArrowError;
use tidegauge_aggregate::time::EventTime;

pub(super) use super::id::Id;
pub(super) use super::name::Name;
use super::packed::{Packed, Whole};
use super::pages::Kept;

/// Digits of amounts: 10^15 in millionths needs 22, and 38 is what every engine gives a wide decimal.
const AMOUNT_PRECISION: u8 = 38;
const AMOUNT_SCALE: i8 = 6;

/// One column under construction.
pub(super) trait Column: Sized {
    /// Its Arrow type.
    fn data_type() -> DataType;
    /// An empty column that holds no memory yet.
    fn empty() -> Self;
    /// The array of the first `rows` rows, with nulls where nothing was set, and rows are counted anew; `None` of a column that keeps them
    /// until the row group ends.
    fn finish(&mut self, rows: usize) -> Result<Option<ArrayRef>, ArrowError>;
    /// The column itself if it keeps its rows.
    fn kept(&mut self) -> Option<&mut dyn Kept> {
        None
    }
}

macro_rules! column {
    ($(#[$meta:meta])* $name:ident $(<$value_lifetime:lifetime>)? ($builder:ty), $type:expr, |$rows:ident, $bytes:ident| $new:expr, $value:ty, |$v:ident| $convert:expr) => {
        $(#[$meta])*
        pub(super) struct $name($builder);

        impl $name {
            /// Sets the value of a row, or leaves it null; rows are set in ascending order.
            #[inline]
            pub(super) fn set $(<$value_lifetime>)? (&mut self, row: usize, value: impl Into<Option<$value>>) {
                if let Some($v) = value.into() {
                    self.fill(row);
                    self.0.append_value($convert);
                }
            }

            #[inline]
            fn fill(&mut self, row: usize) {
                let len = self.0.len();
                if len < row {
                    self.0.append_nulls(row - len);
                }
            }

            fn room($rows: usize, $bytes: usize) -> $builder {
                $new
            }
        }

        impl Column for $name {
            fn data_type() -> DataType {
                $type
            }

            fn empty() -> Self {
                $name(Self::room(0, 0))
            }

            fn finish(&mut self, rows: usize) -> Result<Option<ArrayRef>, ArrowError> {
                if self.0.is_empty() {
                    return Ok(Some(new_null_array(&Self::data_type(), rows)));
                }
                self.fill(rows);
                // The next batch will need about as much; growing there step by step costs more than the rest of the building.
                let bytes = self.0.held();
                let full = std::mem::replace(&mut self.0, Self::room(rows, bytes + bytes / 16));
                Ok(Some(Arc::new({ full }.finish())))
            }
        }
    };
}

/// How many bytes of values a builder holds besides those of fixed width.
trait Held {
    fn held(&self) -> usize {
        0
    }
}

impl Held for StringBuilder {
    fn held(&self) -> usize {
        self.values_slice().len()
    }
}

impl Held for BinaryBuilder {
    fn held(&self) -> usize {
        self.values_slice().len()
    }
}

impl<T: ArrowPrimitiveType> Held for PrimitiveBuilder<T> {}
impl Held for BooleanBuilder {}

column! {
    /// UTF-8 text.
    Text<'v>(StringBuilder), DataType::Utf8, |rows, bytes| StringBuilder::with_capacity(rows, bytes), &'v str, |value| value
}
column! {
    /// Bytes.
    Blob<'v>(BinaryBuilder), DataType::Binary, |rows, bytes| BinaryBuilder::with_capacity(rows, bytes), &'v [u8], |value| value
}
column! {
    /// 64-bit integer.
    Long(Int64Builder), DataType::Int64, |rows, _bytes| Int64Builder::with_capacity(rows), i64, |value| value
}
column! {
    /// 32-bit integer.
    Int(Int32Builder), DataType::Int32, |rows, _bytes| Int32Builder::with_capacity(rows), i32, |value| value
}
column! {
    /// Double.
    Real(Float64Builder), DataType::Float64, |rows, _bytes| Float64Builder::with_capacity(rows), f64, |value| value
}
column! {
    /// True or false.
    Flag(BooleanBuilder), DataType::Boolean, |rows, _bytes| BooleanBuilder::with_capacity(rows), bool, |value| value
}
column! {
    /// A moment in UTC: milliseconds in, microseconds out, since that is the unit every engine reads.
    Moment(TimestampMicrosecondBuilder),
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    |rows, _bytes| TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC"),
    EventTime,
    |value| value.0.saturating_mul(1_000)
}
column! {
    /// An amount of money in millionths, as an exact decimal.
    Amount(Decimal128Builder),
    DataType::Decimal128(AMOUNT_PRECISION, AMOUNT_SCALE),
    |rows, _bytes| Decimal128Builder::with_capacity(rows).with_data_type(DataType::Decimal128(AMOUNT_PRECISION, AMOUNT_SCALE)),
    i128,
    |value| value
}
column! {
    /// A score or sentiment in millionths, as a double: the nearest double of six decimals prints as those six decimals, and averages in
    /// DuckDB, Polars, Spark and pandas come out as numbers, not as decimal objects.
    Millionths(Float64Builder), DataType::Float64, |rows, _bytes| Float64Builder::with_capacity(rows), i64, |value| value as f64 / 1e6
}

/// 64-bit integer, packed.
pub(super) type PackedLong = Packed<Long>;
/// 32-bit integer, packed.
pub(super) type PackedInt = Packed<Int>;
/// A moment as [`Moment`] has it, packed.
pub(super) type PackedMoment = Packed<Moment>;

impl Whole for Long {
    type Value = i64;

    fn whole(value: i64) -> i64 {
        value
    }
}

impl Whole for Int {
    type Value = i32;

    fn whole(value: i32) -> i64 {
        value.into()
    }
}

impl Whole for Moment {
    type Value = EventTime;

    fn whole(value: EventTime) -> i64 {
        value.0.saturating_mul(1_000)
    }
}

/// The headers of a record: a list of key and value, empty where there are none. Every row sets it.
pub(super) struct Headers {
    ends: Vec<i32>,
    keys: StringBuilder,
    values: BinaryBuilder,
}

impl Headers {
    pub(super) fn push(&mut self, headers: &[(&str, Option<&[u8]>)]) {
        for (key, value) in headers {
            self.keys.append_value(key);
            self.values.append_option(*value);
        }
        // The byte bound of a row group is far below what an i32 counts.
        self.ends.push(i32::try_from(self.keys.len()).unwrap_or(i32::MAX));
    }

    fn members() -> Fields {
        Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Binary, true),
        ])
    }

    fn item() -> Arc<Field> {
        Arc::new(Field::new("element", DataType::Struct(Headers::members()), false))
    }
}

impl Column for Headers {
    fn data_type() -> DataType {
        DataType::List(Headers::item())
    }

    fn empty() -> Self {
        Headers {
            ends: Vec::new(),
            keys: StringBuilder::with_capacity(0, 0),
            values: BinaryBuilder::with_capacity(0, 0),
        }
    }

    fn finish(&mut self, rows: usize) -> Result<Option<ArrayRef>, ArrowError> {
        let mut offsets = vec![0];
        offsets.append(&mut self.ends);
        let last = offsets.last().copied().unwrap_or(0);
        offsets.resize(rows + 1, last);
        let keys: StringArray = self.keys.finish();
        let values: BinaryArray = self.values.finish();
        let items = StructArray::try_new(Headers::members(), vec![Arc::new(keys) as ArrayRef, Arc::new(values)], None)?;
        let offsets = OffsetBuffer::new(offsets.into());
        Ok(Some(
            Arc::new(ListArray::try_new(Headers::item(), offsets, Arc::new(items), None)?) as Arc<dyn Array>
        ))
    }
}

/// A group of columns that fill up together.
pub(super) trait Columns {
    /// What [`Column::finish`] gives of each, in the order of the schema.
    fn finish(&mut self, rows: usize) -> Result<Vec<Option<ArrayRef>>, ArrowError>;
    /// What [`Column::kept`] gives of each, in the order of the schema.
    fn kept(&mut self) -> Vec<Option<&mut dyn Kept>>;
}

/// A field with its unit and meaning in its metadata.
pub(super) fn field(name: &str, data_type: DataType, nullable: bool, unit: &str, meaning: &str) -> Field {
    let unit = (!unit.is_empty()).then(|| ("unit".to_owned(), unit.to_owned()));
    let metadata: HashMap<String, String> = unit.into_iter().chain([("meaning".to_owned(), meaning.to_owned())]).collect();
    Field::new(name, data_type, nullable).with_metadata(metadata)
}

/// Declares the columns of a table: `field: Kind, required | nullable, "name", "unit", "meaning";`, one line a column, so that the name, the
/// type and what it means stand in one place.
macro_rules! columns {
    ($(#[$meta:meta])* $vis:vis struct $struct:ident {
        $($field:ident : $kind:ident, $presence:ident, $name:literal, $unit:literal, $meaning:literal;)+
    }) => {
        $(#[$meta])*
        $vis struct $struct { $($vis $field: $crate::table::column::$kind),+ }

        impl $struct {
            $vis fn empty() -> Self {
                $struct { $($field: <$crate::table::column::$kind as $crate::table::column::Column>::empty()),+ }
            }

            $vis fn fields() -> Vec<arrow::datatypes::Field> {
                vec![$($crate::table::column::field(
                    $name,
                    <$crate::table::column::$kind as $crate::table::column::Column>::data_type(),
                    $crate::table::column::columns!(@nullable $presence),
                    $unit,
                    $meaning,
                )),+]
            }
        }

        impl $crate::table::column::Columns for $struct {
            fn finish(&mut self, rows: usize) -> Result<Vec<Option<arrow::array::ArrayRef>>, arrow::error::ArrowError> {
                Ok(vec![$($crate::table::column::Column::finish(&mut self.$field, rows)?),+])
            }

            fn kept(&mut self) -> Vec<Option<&mut dyn $crate::table::pages::Kept>> {
                vec![$($crate::table::column::Column::kept(&mut self.$field)),+]
            }
        }
    };
    (@nullable required) => { false };
    (@nullable nullable) => { true };
}
pub(super) use columns;

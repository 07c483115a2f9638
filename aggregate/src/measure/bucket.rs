//! Which bucket of the histogram a whole number falls into, exactly: 32 buckets an octave, bounds at powers of 2^(1/32).

/// Buckets an octave.
const PER_OCTAVE: i16 = 32;
/// Bits after the point in [`ROOTS`].
const ROOT_FRACTION: u32 = 117;
/// Bits after the point in a normalised value: it lies in `[2^63, 2^64)`.
const NORMAL_FRACTION: u32 = 63;
/// Cells of equal width into which an octave is cut; narrower than its narrowest bucket (2^(1/32) - 1 = 0.0219), so that no cell holds
/// two bounds.
const CELLS: usize = 64;

/// The bounds of one octave of a unit, as integers to compare with.
pub(super) struct Scale {
    /// Bucket whose upper bound is `bounds[0]`, for values in `[1, 2)` of the integer.
    first: i16,
    /// Upper bounds of consecutive buckets, rounded down, times 2^63; a value of that many bits is in the first bucket whose bound it
    /// does not exceed. The last one is out of reach.
    bounds: [u64; PER_OCTAVE as usize + 1],
    /// For each cell, the first bucket that reaches into it.
    cells: [u8; CELLS],
}

impl Scale {
    /// Values in their own unit.
    pub(super) const WHOLE: Scale = Scale::per_unit(1);
    /// Values in thousandths of their unit.
    pub(super) const THOUSANDTHS: Scale = Scale::per_unit(1_000);

    /// Bounds `unit * 2^(i/32)` for the integers of an octave.
    const fn per_unit(unit: u128) -> Scale {
        let octave = unit.ilog2() as i16;
        // The first bucket is the lowest whose bound is not below 2^octave.
        let mut first = 0;
        while bound(unit, octave, first - 1) >= 1 << NORMAL_FRACTION {
            first -= 1;
        }
        let mut bounds = [u64::MAX; PER_OCTAVE as usize + 1];
        let mut i = 0;
        while i <= PER_OCTAVE {
            let bound = bound(unit, octave, first + i);
            if bound < 1 << 64 {
                bounds[i as usize] = bound as u64;
            }
            i += 1;
        }
        let mut cells = [0; CELLS];
        let (mut cell, mut bucket) = (0, 0);
        while cell < CELLS {
            let start = (1 << NORMAL_FRACTION) + ((cell as u64) << (NORMAL_FRACTION - CELLS.ilog2()));
            while bounds[bucket] < start {
                bucket += 1;
            }
            cells[cell] = bucket as u8;
            cell += 1;
        }
        Scale {
            first: first - octave * PER_OCTAVE,
            bounds,
            cells,
        }
    }

    /// The `i` of the bucket `(2^((i-1)/32), 2^(i/32)]` that holds `value`; `value` must not be 0.
    #[inline]
    pub(super) fn bucket(&self, value: u64) -> i16 {
        let zeros = value.leading_zeros();
        let normal = value.unbounded_shl(zeros);
        let cell = (normal >> (NORMAL_FRACTION - CELLS.ilog2())) as usize % CELLS;
        let candidate = usize::from(self.cells[cell]) % self.bounds.len();
        let step = candidate as i16 + i16::from(normal > self.bounds[candidate]);
        let octave = NORMAL_FRACTION as i16 - zeros as i16;
        self.first + octave * PER_OCTAVE + step
    }
}

/// `unit * 2^(i/32)` relative to the octave of `unit`, times 2^63, rounded down.
const fn bound(unit: u128, octave: i16, i: i16) -> u128 {
    let root = unit * ROOTS[i.rem_euclid(PER_OCTAVE) as usize];
    root >> (ROOT_FRACTION as i16 + octave - NORMAL_FRACTION as i16 - i.div_euclid(PER_OCTAVE))
}

/// The log-midpoint of bucket `i`: 2^(i/32 - 1/64).
pub(super) fn midpoint(i: i16) -> f64 {
    MIDPOINTS[i.rem_euclid(PER_OCTAVE) as usize] * f64::powi(2.0, i32::from(i.div_euclid(PER_OCTAVE)))
}

/// 2^(i/32) times 2^117, rounded down.
const ROOTS: [u128; PER_OCTAVE as usize] = [
    0x20_0000_0000_0000_0000_0000_0000_0000,
    0x20_b361_a62b_0ae8_75cf_8a91_d6d1_9482,
    0x21_6ab0_d9f3_121e_c531_7256_e308_5530,
    0x22_2603_a024_b6a1_49d7_7e35_db26_319d,
    0x22_e570_78fa_a2f5_b9be_f918_a1d6_294f,
    0x23_a90e_62d1_7354_f00b_7005_1321_e0f5,
    0x24_70f4_dcea_c470_cd83_f5b6_382b_96b2,
    0x25_3d3b_ea3f_bdc2_584b_a2be_b449_5477,
    0x26_0dfc_1463_6e2a_5bd1_ab48_c60b_90bd,
    0x26_e34e_6e75_5395_4e28_aa05_e8a8_f30f,
    0x27_bd4c_9824_6844_6b68_2447_c27a_ee7f,
    0x28_9c10_c0c3_125a_0626_de81_3be0_33f7,
    0x29_7fb5_aa6c_544e_3a87_2f5f_d885_c41c,
    0x2a_6856_ad3a_9f03_be15_0789_3b0d_4c7e,
    0x2b_560f_ba90_a852_b192_602a_323d_668b,
    0x2c_48fd_6074_ab09_63e1_f40d_fa5b_4857,
    0x2d_413c_ccfe_7799_2116_5f62_6cdd_52af,
    0x2e_3eeb_d1d8_bee7_ba46_e1e5_de15_9ad9,
    0x2f_4228_e7d6_030d_afaa_2047_ed9b_43eb,
    0x30_4b13_3299_9c25_159f_115f_5669_4021,
    0x31_59ca_8455_41b6_b74f_8ab4_3259_3767,
    0x32_6e6f_619b_8bc9_e8a0_387e_4a81_445a,
    0x33_8923_0547_e120_38f8_8d60_e3e5_7cb1,
    0x34_aa07_647c_4ab9_1684_8923_95f0_f790,
    0x35_d13f_32b5_a75a_bd0e_69a2_ee64_0b4f,
    0x36_feed_e5f6_bc8d_d54f_6103_56a7_8a6a,
    0x38_3337_bb0a_a538_4441_9625_4123_74cc,
    0x39_6e41_b9df_20d2_2a07_97a3_d293_b6ec,
    0x3a_b031_b9f7_490e_4bb4_0b5d_6cdc_1b95,
    0x3b_f92e_66f7_36bd_72d1_9587_3da5_236e,
    0x3d_495f_4549_21b3_0b1e_e743_1ebb_6603,
    0x3e_a0ec_b6dc_8a80_ce9f_096e_c50c_575f,
];

/// 2^(i/32 - 1/64).
const MIDPOINTS: [f64; PER_OCTAVE as usize] = [
    0.989_228_013_193_975_5,
    1.010_889_286_051_700_5,
    1.033_024_879_021_228_4,
    1.055_645_178_360_557_2,
    1.078_760_797_757_119_9,
    1.102_382_583_307_841,
    1.126_521_618_608_241_8,
    1.151_189_229_952_982_7,
    1.176_396_991_650_281_2,
    1.202_156_731_452_703,
    1.228_480_536_106_87,
    1.255_380_757_024_691,
    1.282_870_016_078_778_3,
    1.310_961_211_524_764_4,
    1.339_667_524_053_303,
    1.369_002_422_974_590_5,
    1.398_979_672_538_311_2,
    1.429_613_338_391_97,
    1.460_917_794_180_647,
    1.492_907_728_291_264_8,
    1.525_598_150_744_538_4,
    1.559_004_400_237_837,
    1.593_142_151_342_267,
    1.628_027_421_857_347_8,
    1.663_676_580_326_736_4,
    1.700_106_353_718_523_5,
    1.737_333_835_273_706_2,
    1.775_376_492_526_521_2,
    1.814_252_175_500_398_9,
    1.853_979_125_083_385_5,
    1.894_575_981_586_965_6,
    1.936_061_793_492_294_3,
];

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;

//! The inverse cosine transform of libjpeg's `jidctint.c` in instructions that every x86-64 processor has.
//!
//! Loeffler, Ligtenberg and Moschytz's form with 11 multiplications, in numbers of 13 bits after the point; 16-bit inputs are
//! multiplied and added in pairs, as libjpeg-turbo's own SSE2 code does it. The same bits for every block of an 8-bit image.

use std::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_add_epi16, _mm_add_epi32, _mm_madd_epi16, _mm_mullo_epi16, _mm_packs_epi16,
    _mm_packs_epi32, _mm_set1_epi8, _mm_set1_epi32, _mm_setzero_si128, _mm_slli_epi16, _mm_srai_epi32,
    _mm_sub_epi16, _mm_sub_epi32, _mm_unpackhi_epi16, _mm_unpacklo_epi16,
};

/// Quantised coefficients of 8 × 8 pixels, row-major.
pub(super) type Block = [i16; 64];

/// Eight numbers of 32 bits.
type Wide = (__m128i, __m128i);

// cos(k π / 16) · √2 and sums of them, times 2^13, named after their values as in `jidctint.c`.
const C0_298: i16 = 2446;
const C0_390: i16 = 3196;
const C0_541: i16 = 4433;
const C0_765: i16 = 6270;
const C0_899: i16 = 7373;
const C1_175: i16 = 9633;
const C1_501: i16 = 12299;
const C1_847: i16 = 15137;
const C1_961: i16 = 16069;
const C2_053: i16 = 16819;
const C2_562: i16 = 20995;
const C3_072: i16 = 25172;

/// The pixels of a block.
#[expect(unsafe_code, reason = "instructions that x86-64 always has, which the compiler asks to be told")]
pub(super) fn inverse_dct(coefficients: &Block, quantisers: &[u16; 64]) -> [[u8; 8]; 8] {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { transform(bytemuck::cast_ref(coefficients), bytemuck::cast_ref(quantisers)) }
}

#[target_feature(enable = "sse2")]
fn transform(coefficients: &[[i16; 8]; 8], quantisers: &[[i16; 8]; 8]) -> [[u8; 8]; 8] {
    let mut rows = [_mm_setzero_si128(); 8];
    for ((row, coefficients), quantisers) in rows.iter_mut().zip(coefficients).zip(quantisers) {
        *row = _mm_mullo_epi16(bytemuck::cast(*coefficients), bytemuck::cast(*quantisers));
    }
    // Columns keep two bits after the point; rows lose them, and the factor of 8 of both passes. Columns of one value are spared
    // their pass, as in libjpeg-turbo, whose numbers out of range overflow otherwise there.
    let columns = if coefficients[1..].iter().all(|row| *row == [0; 8]) {
        [_mm_slli_epi16::<2>(rows[0]); 8]
    } else {
        pass::<11>(rows)
    };
    let [a, b, c, d, e, f, g, h] = transpose(pass::<18>(transpose(columns)));
    let middle = _mm_set1_epi8(-128);
    bytemuck::cast([
        _mm_add_epi8(_mm_packs_epi16(a, b), middle),
        _mm_add_epi8(_mm_packs_epi16(c, d), middle),
        _mm_add_epi8(_mm_packs_epi16(e, f), middle),
        _mm_add_epi8(_mm_packs_epi16(g, h), middle),
    ])
}

/// One dimension of eight columns at once, rounded and shifted down by `DOWN` bits.
#[inline]
#[target_feature(enable = "sse2")]
fn pass<const DOWN: i32>(x: [__m128i; 8]) -> [__m128i; 8] {
    let even = pairs(x[2], x[6]);
    let (even3, even2) = (dot(even, C0_541 + C0_765, C0_541), dot(even, C0_541, C0_541 - C1_847));
    let (even0, even1) = (widen(_mm_add_epi16(x[0], x[4])), widen(_mm_sub_epi16(x[0], x[4])));
    let sums = [add(even0, even3), add(even1, even2), sub(even1, even2), sub(even0, even3)];

    let both = pairs(_mm_add_epi16(x[7], x[3]), _mm_add_epi16(x[5], x[1]));
    let (z3, z4) = (dot(both, C1_175 - C1_961, C1_175), dot(both, C1_175, C1_175 - C0_390));
    let (outer, inner) = (pairs(x[7], x[1]), pairs(x[5], x[3]));
    let odd = [
        add(dot(outer, -C0_899, C1_501 - C0_899), z4),
        add(dot(inner, -C2_562, C3_072 - C2_562), z3),
        add(dot(inner, C2_053 - C2_562, -C2_562), z4),
        add(dot(outer, C0_298 - C0_899, -C0_899), z3),
    ];
    [
        narrow::<DOWN>(add(sums[0], odd[0])),
        narrow::<DOWN>(add(sums[1], odd[1])),
        narrow::<DOWN>(add(sums[2], odd[2])),
        narrow::<DOWN>(add(sums[3], odd[3])),
        narrow::<DOWN>(sub(sums[3], odd[3])),
        narrow::<DOWN>(sub(sums[2], odd[2])),
        narrow::<DOWN>(sub(sums[1], odd[1])),
        narrow::<DOWN>(sub(sums[0], odd[0])),
    ]
}

#[inline]
#[target_feature(enable = "sse2")]
fn pairs(a: __m128i, b: __m128i) -> Wide {
    (_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b))
}

/// `a · first + b · second` of pairs `(a, b)`.
#[inline]
#[target_feature(enable = "sse2")]
fn dot(pairs: Wide, first: i16, second: i16) -> Wide {
    let factors = _mm_set1_epi32(i32::from(first) & 0xFFFF | i32::from(second) << 16);
    (_mm_madd_epi16(pairs.0, factors), _mm_madd_epi16(pairs.1, factors))
}

/// Times 2^13.
#[inline]
#[target_feature(enable = "sse2")]
fn widen(a: __m128i) -> Wide {
    let high = pairs(_mm_setzero_si128(), a);
    (_mm_srai_epi32::<3>(high.0), _mm_srai_epi32::<3>(high.1))
}

#[inline]
#[target_feature(enable = "sse2")]
fn narrow<const DOWN: i32>(a: Wide) -> __m128i {
    let half = _mm_set1_epi32(1 << (DOWN - 1));
    let (low, high) = (_mm_add_epi32(a.0, half), _mm_add_epi32(a.1, half));
    _mm_packs_epi32(_mm_srai_epi32::<DOWN>(low), _mm_srai_epi32::<DOWN>(high))
}

#[inline]
#[target_feature(enable = "sse2")]
fn add(a: Wide, b: Wide) -> Wide {
    (_mm_add_epi32(a.0, b.0), _mm_add_epi32(a.1, b.1))
}

#[inline]
#[target_feature(enable = "sse2")]
fn sub(a: Wide, b: Wide) -> Wide {
    (_mm_sub_epi32(a.0, b.0), _mm_sub_epi32(a.1, b.1))
}

/// Three rounds of a perfect shuffle.
#[inline]
#[target_feature(enable = "sse2")]
fn transpose(mut rows: [__m128i; 8]) -> [__m128i; 8] {
    for _ in 0..3 {
        let [a, b, c, d] = [
            pairs(rows[0], rows[4]),
            pairs(rows[1], rows[5]),
            pairs(rows[2], rows[6]),
            pairs(rows[3], rows[7]),
        ];
        rows = [a.0, a.1, b.0, b.1, c.0, c.1, d.0, d.1];
    }
    rows
}

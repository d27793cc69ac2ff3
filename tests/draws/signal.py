"""Sound and spectra: Fourier transforms of any length, spectrograms, cepstra, WAV."""
import struct

import numpy as np

from draws.draw import draws


def close_enough(d):
    d.scaled = True
    d.tolerance = {"complex64": (1e-4, 2e-6), "float32": (1e-4, 2e-6), "complex128": (1e-9, 1e-11), "float64": (1e-9, 1e-11)}


def dims_of(op):
    return int(op[-2]) if op.endswith("D") else 1


def lengths(d, n):
    return [d.int(1, 9) if d.chance(0.85) else d.one(16, 17, 31, 64, 97, 100) if n == 1 else d.int(1, 6) for _ in range(n)]


@draws("FFT", "FFT2D", "FFT3D", "IFFT", "IFFT2D", "IFFT3D")
def fft(d):
    n = dims_of(d.op)
    lead = d.shape(most_rank=2, most=3)
    sizes = lengths(d, n) if d.chance(0.97) else lengths(d, n)[1:]
    dtype = d.one("complex64", "complex128")
    close_enough(d)
    d.node(d.op, [d.put(d.values(dtype, lead + sizes, wild=False))])


@draws("RFFT", "RFFT2D", "RFFT3D", "IRFFT", "IRFFT2D", "IRFFT3D")
def rfft(d):
    n, back = dims_of(d.op), d.op.startswith("I")
    lead, sizes = d.shape(most_rank=2, most=3), lengths(d, n)
    wide = d.chance(0.4)
    real, pair = ("float64", "complex128") if wide else ("float32", "complex64")
    wanted = [s if d.chance(0.6) else d.int(1, 9) for s in sizes]
    if back:
        wanted[-1] = (wanted[-1] - 1) * 2 + d.int(0, 1) if d.chance(0.8) else wanted[-1]
    if d.chance(0.03):
        wanted = d.one(wanted[1:], [0] + wanted[1:], wanted[:-1] + [-1])
    close_enough(d)
    attrs = {} if not wide and d.chance(0.5) else {"Treal": real, "Tcomplex": pair}
    d.node(d.op, [d.put(d.values(pair if back else real, lead + sizes, wild=False)), d.put(np.array(wanted, np.int32))], **attrs)


@draws("AudioSpectrogram")
def spectrogram(d):
    size = d.int(2, 40) if d.chance(0.97) else d.int(0, 1)
    samples = d.values("float32", [d.int(0, 120), d.int(1, 3)], -1, 1, False)
    close_enough(d)
    d.node(d.op, [d.put(samples)], window_size=size, stride=d.int(1, 20), **({"magnitude_squared": d.chance(0.6)} if d.chance(0.6) else {}))


@draws("Mfcc")
def mfcc(d):
    shape = [d.int(1, 2), d.int(1, 3), d.one(5, 9, 17, 33, 65, 129)]
    rate = d.one(8000, 16000, 44100)
    attrs = {}
    if d.chance(0.5):
        attrs["upper_frequency_limit"] = float(d.one(2000, 4000, rate // 2 if d.chance(0.9) else rate))
    if d.chance(0.5):
        attrs["lower_frequency_limit"] = float(d.one(0, 20, 100, 500))
    if d.chance(0.6):
        attrs["filterbank_channel_count"] = d.int(2, 30)
    if d.chance(0.6):
        attrs["dct_coefficient_count"] = d.int(1, min(13, attrs.get("filterbank_channel_count", 40)))
    d.scaled = True
    d.node(d.op, [d.put(np.abs(d.values("float32", shape, 0, 90, False))), d.put(np.array(rate, np.int32))], **attrs)


def wav(d, channels, samples):
    data = d.rng.integers(-32768, 32768, channels * samples).astype("<i2").tobytes()
    rate = d.one(8000, 16000, 44100)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    chunks = b"fmt " + struct.pack("<I", 16) + form
    if d.chance(0.2):
        chunks += b"LIST" + struct.pack("<I", 4) + b"abcd"
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@draws("DecodeWav")
def decode_wav(d):
    raw = wav(d, d.int(1, 3), d.int(0, 20))
    if d.chance(0.06):
        raw = raw[:d.int(0, len(raw) - 1)]
    attrs = {"desired_channels": d.one(-1, 1, 2, 3, 0)} if d.chance(0.6) else {}
    if d.chance(0.6):
        attrs["desired_samples"] = d.one(-1, 1, 5, 30)
    d.node(d.op, [d.put(np.array(raw, object), fed=0)], **attrs)


@draws("EncodeWav")
def encode_wav(d):
    shape = [d.int(0, 20), d.int(1, 3)]
    d.node(d.op, [d.put(d.values("float32", shape, -1.2, 1.2, False)), d.put(np.array(d.one(8000, 44100, 1), np.int32))])

#!/usr/bin/env python3
"""Every program of device kernels that the tests have made so far goes through CUDA's own compiler, for sm_75, sm_80 and
sm_90: cuda_dialect.py ROOT FOLDER [--all].

FOLDER is the cache that the stand-in compiler (tests/standin/compiler.c) left, of which each file says what it was made of.
Programs of sources that have changed since are passed over. What was compiled once is remembered in FOLDER. Without --all
one program of each file is compiled for all three, and one in eight of the others for one of them. Says so and passes where there is no NVRTC.
"""
import concurrent.futures
import ctypes
import hashlib
import os
import pathlib
import re
import struct
import sys

sys.path.insert(0, sys.argv[1] + '/tools')
from embed import lines

ARCHS = ('sm_75', 'sm_80', 'sm_90')
HEAD = 56  # of a file of the cache: src/device/cuda/cache.c


def open_nvrtc():
    home = os.environ.get('CUDA_HOME', '/usr/local/cuda')
    for name in ('libnvrtc.so.13', 'libnvrtc.so.12', 'libnvrtc.so'):
        for folder in ('', home + '/lib64/', home + '/lib/'):
            try:
                return ctypes.CDLL(folder + name)
            except OSError:
                pass
    return None


def sources(root):
    """Name -> source, of all files that are not parts of others."""
    files = sorted((root / 'src').rglob('*.cl'))
    parts = {m for f in files for m in re.findall(r'#include "(\w+\.cl)"', f.read_text())} | {'dialect.cl'}
    text = {f.name: ''.join(line + '\n' for line in lines(f)) for f in files}
    return {name: text['dialect.cl'] + text[name] for name in text if name not in parts}


def programs(folder, known):
    """(name, defines, source) of all that are of today's sources."""
    by_text = {text: name for name, text in known.items()}
    for path in sorted(folder.glob('*.cubin')):
        data = path.read_bytes()[HEAD:]
        if data[:8] != b'standin1':
            continue
        defines, _, source = data[16 + struct.unpack('<Q', data[8:16])[0] :].partition(b'\0')
        whole = source.decode().replace('\nOTHER void ', '\nKERNEL void ')  # as before its one kernel was chosen
        if whole in by_text:
            yield by_text[whole], tuple(re.findall("'([^']*)'", defines.decode())), source


def compile_one(nvrtc, source, defines, arch):
    """'' or what the compiler says."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    options = [f'--gpu-architecture={arch}', '--fmad=false', '--std=c++17', *defines]
    argv = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b'kernels.cl', 0, None, None)
    code = nvrtc.nvrtcCompileProgram(program, len(options), argv)
    message = ''
    if code:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value + 1)
        nvrtc.nvrtcGetProgramLog(program, log)
        errors = [line for line in log.value.decode().splitlines() if 'error' in line]
        message = (errors or [f'NVRTC error {code}'])[0]
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return message


def main():
    root, folder, everything = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), '--all' in sys.argv
    nvrtc = open_nvrtc()
    if not nvrtc:
        print('skipped: there is no NVRTC')
        return 0
    version = [ctypes.c_int(), ctypes.c_int()]
    nvrtc.nvrtcVersion(*map(ctypes.byref, version))
    known = sources(root)
    made = list(programs(folder, known))
    missing = known.keys() - {name for name, _, _ in made}
    folder.mkdir(parents=True, exist_ok=True)
    memory = folder / 'compiled'
    done = set(memory.read_text().split()) if memory.exists() else set()
    todo, seen = [], set()
    for name, defines, source in made:
        text = repr((source, defines, [v.value for v in version]))
        key = hashlib.sha256(text.encode()).hexdigest()[:24]
        number = int(key, 16)
        chosen = ARCHS if everything or name not in seen else ARCHS[number % 3 :][:1] if number % 8 == 0 else ()
        seen.add(name)
        todo += [(name, defines, source, arch, f'{key}.{arch}') for arch in chosen if f'{key}.{arch}' not in done]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, open(memory, 'a') as remember:
        jobs = [pool.submit(compile_one, nvrtc, source, defines, arch) for _, defines, source, arch, _ in todo]
        for (name, defines, _, arch, key), job in zip(todo, jobs):
            message = job.result()
            if message:
                print(f'{name} for {arch} with {" ".join(defines)}: {message}')
                failed += 1
            else:
                remember.write(key + '\n')
    for name in sorted(missing):
        print(f'{name}: no test makes its kernels on the stand-in driver')
    print(f'{len(made)} programs of {len(known)} files, {len(todo)} compiled now, {failed + len(missing)} failed')
    return failed + len(missing) > 0 or not made


if __name__ == '__main__':
    sys.exit(main())

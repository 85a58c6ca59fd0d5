const texts: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  EISDIR: 'illegal operation on a directory',
  ENOTDIR: 'not a directory',
  EINVAL: 'invalid argument',
  EBADF: 'bad file descriptor',
  EIO: 'i/o error',
  ENOSPC: 'no space left on device',
}

/** An error as Node makes it from a failed system call. */
export function systemError(code: string, call: string, path: string): Error {
  const message = `${code}: ${texts[code] ?? 'failed'}, ${call} '${path}'`
  return Object.assign(new Error(message), { code, syscall: call, path })
}

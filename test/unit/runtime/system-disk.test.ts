import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemDisk } from '../../../shared/runtime/index.ts'

const onLinux = process.platform === 'linux' ? it : it.skip

describe('system disk', () => {
  const disk = new SystemDisk()
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'petiole-disk-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  it('writes chunks in one piece and reads them back', async () => {
    const path = join(directory, 'log')
    const file = await disk.create(path)
    await file.writev([Buffer.from('one'), new Uint8Array(0), Buffer.from('two')], 0)
    await file.writev([], 6)
    await file.datasync()
    assert.equal(await file.size(), 6)
    const target = new Uint8Array(10)
    assert.equal(await file.read(target, 2), 4)
    assert.equal(Buffer.from(target.subarray(0, 4)).toString(), 'etwo')
    const same = new Uint8Array(10)
    assert.equal(file.readNow(same, 2), 4)
    assert.deepEqual(same, target)
    assert.equal(file.readNow(same, 6), 0)
    await file.truncate(3)
    await file.close()
    assert.equal(Buffer.from(await disk.readFile(path)).toString(), 'one')
    await assert.rejects(disk.create(path), { code: 'EEXIST' })
    await assert.rejects(disk.open(join(directory, 'none'), 'read'), { code: 'ENOENT' })
  })

  it('finishes a short gather write, and throws when nothing is written', async () => {
    const path = join(directory, 'log')
    const file = await disk.create(path)
    const { writev } = fs
    const replace = (other: unknown): void => {
      Object.assign(fs, { writev: other })
      syncBuiltinESMExports()
    }
    try {
      replace((fd: number, [first]: Buffer[], at: number, done: Parameters<typeof writev>[3]) =>
        writev(fd, [first!.subarray(0, 2)], at, done),
      )
      await file.writev([Buffer.from('abc'), Buffer.from('defg')], 0)
      replace((_fd: number, _chunks: Buffer[], _at: number, done: (e: null, n: number) => void) =>
        setImmediate(done, null, 0),
      )
      await assert.rejects(file.writev([Buffer.from('x')], 7), { code: 'PETIOLE_WRITE_REFUSED' })
    } finally {
      replace(writev)
    }
    await file.close()
    assert.equal(await readFile(path, 'latin1'), 'abcdefg')
  })

  onLinux('writes through a handle whose writes are on disk when they are done', async () => {
    const path = join(directory, 'log')
    const file = await disk.create(path)
    await file.writev([Buffer.from('one')], 0)
    const synced = (await disk.openSynced(path))!
    await synced.writev([Buffer.from('tw'), Buffer.from('o')], 3)
    const target = new Uint8Array(10)
    assert.equal(await file.read(target, 0), 6)
    assert.equal(Buffer.from(target.subarray(0, 6)).toString(), 'onetwo')
    await synced.close()
    await file.close()
    assert.equal(await disk.openSynced(join(directory, 'none')), undefined)
  })

  it('replaces a file whole and leaves no temp file', async () => {
    const path = join(directory, 'state')
    await disk.writeFileAtomic(path, Buffer.from('first, and longer'))
    await disk.writeFileAtomic(path, Buffer.from('second'))
    assert.equal(await readFile(path, 'latin1'), 'second')
    assert.deepEqual(await disk.list(directory), ['state'])
    await disk.remove(path)
    await disk.remove(path)
    assert.ok((await disk.freeBytes(directory)) > 0)
  })

  it('gives a file the mode that is asked for, whatever a cut write left behind', async () => {
    const path = join(directory, 'secret')
    const mode = async (): Promise<number> => (await stat(path)).mode & 0o777
    await disk.writeFileAtomic(path, Buffer.from('for the group'))
    assert.equal((await mode()) & 0o007, 0)
    await writeFile(`${path}.tmp`, 'torn', { mode: 0o644 })
    await disk.writeFileAtomic(path, Buffer.from('for nobody else'), { mode: 0o600 })
    assert.equal(await mode(), 0o600)
    assert.equal(await readFile(path, 'latin1'), 'for nobody else')
  })

  describe('lock', () => {
    it('is held once, also by this process, until it is released', async () => {
      const path = join(directory, 'lock')
      const release = await disk.lock(path)
      await assert.rejects(disk.lock(path), { code: 'PETIOLE_STORE_LOCKED' })
      assert.deepEqual(await readdir(directory), ['lock'])
      await release()
      await release()
      await (await disk.lock(path))()
      assert.deepEqual(await readdir(directory), ['lock'])
    })

    it('needs no new block when it was held before: the file is the same all the time', async () => {
      const path = join(directory, 'lock')
      await (await disk.lock(path))()
      const { ino, size } = await stat(path)
      assert.equal((await readFile(path, 'latin1')).trim(), '')
      const release = await disk.lock(path)
      assert.match(await readFile(path, 'latin1'), new RegExp(`^${process.pid} `))
      const now = await stat(path)
      assert.deepEqual([now.ino, now.size], [ino, size])
      await release()
    })

    it('goes to one of two that come at once', async () => {
      const path = join(directory, 'lock')
      const settled = await Promise.allSettled([disk.lock(path), disk.lock(path)])
      assert.deepEqual(settled.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
      for (const result of settled) if (result.status === 'fulfilled') await result.value()
    })

    it('is refused while its holder lives, and names it', async () => {
      const path = join(directory, 'lock')
      await withLivingProcess(async (pid) => {
        await writeFile(path, `${pid}\n`)
        await assert.rejects(disk.lock(path), (error: Error) =>
          error.message.includes(`process ${pid}`),
        )
      })
      await (await disk.lock(path))()
    })

    onLinux('is refused with the full record of a living holder', async () => {
      const path = join(directory, 'lock')
      await withLivingProcess(async (pid) => {
        await writeFile(path, `${pid} ${await bootId()} ${await startTime(pid)}\n`)
        await assert.rejects(disk.lock(path), { code: 'PETIOLE_STORE_LOCKED' })
      })
    })

    onLinux(
      'is taken from a holder of an earlier boot whose pid another process has now',
      async () => {
        const path = join(directory, 'lock')
        await withLivingProcess(async (pid) => {
          await writeFile(
            path,
            `${pid} 00000000-0000-0000-0000-000000000000 ${await startTime(pid)}\n`,
          )
          await (await disk.lock(path))()
        })
      },
    )

    onLinux(
      'is taken from a holder that died since the boot and whose pid was given again',
      async () => {
        const path = join(directory, 'lock')
        await withLivingProcess(async (pid) => {
          await writeFile(path, `${pid} ${await bootId()} 1\n`)
          await (await disk.lock(path))()
        })
      },
    )

    it('is taken over when a damaged byte of a blank one reads like a pid', async () => {
      const path = join(directory, 'lock')
      await withLivingProcess(async (pid) => {
        await writeFile(path, `${pid}`.padEnd(95).concat('\n'))
        await (await disk.lock(path))()
      })
    })

    for (const torn of ['', '\0\0\0\0\0\0', 'garbage\n', `${process.pid}\n`]) {
      it(`is taken over when the file says ${JSON.stringify(torn)}`, async () => {
        const path = join(directory, 'lock')
        await writeFile(path, torn)
        await (await disk.lock(path))()
        assert.deepEqual(await readdir(directory), ['lock'])
      })
    }
  })
})

async function withLivingProcess(work: (pid: number) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  try {
    await work(child.pid!)
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim()
}

async function startTime(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]!
}

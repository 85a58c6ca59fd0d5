import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ScratchFile, SystemDisk } from '../../../shared/runtime/index.ts'

const BLOCK = 512

describe('scratch file', () => {
  let folder: string
  let file: ScratchFile

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'petiole-scratch-'))
    writeFileSync(join(folder, 'x.tmp'), 'what another process left behind')
    file = new SystemDisk().scratch(join(folder, 'x.tmp'), BLOCK)
  })

  afterEach(() => {
    file.close()
    rmSync(folder, { recursive: true })
  })

  it('gives back what was written last, in any order, and has no name', () => {
    for (const block of [3, 0, 700, 3]) file.write(block, Buffer.alloc(BLOCK, block + 1))
    file.write(3, Buffer.alloc(BLOCK, 'again'))
    const target = new Uint8Array(BLOCK)
    for (const [block, fill] of [
      [0, 1],
      [3, 'again'],
      [700, 189],
    ] as const) {
      file.read(block, target)
      assert.deepEqual(Buffer.from(target), Buffer.alloc(BLOCK, fill))
    }
    assert.deepEqual(readdirSync(folder), [])
    file.clear()
    assert.throws(() => file.read(0, target), { code: 'PETIOLE_DISK_DAMAGED' })
    file.write(0, target)
    file.read(0, target)
  })

  it('never was written, or only in part: is an error', () => {
    file.write(0, Buffer.alloc(BLOCK, 1))
    file.write(2, Buffer.alloc(BLOCK, 1))
    const target = new Uint8Array(BLOCK)
    for (const block of [1, 3]) {
      assert.throws(() => file.read(block, target), { code: 'PETIOLE_DISK_DAMAGED' })
    }
  })

  it('is nobody else’s to read, to change or to mix up', async () => {
    // Elsewhere nobody can reach a file without a name.
    if (process.platform !== 'linux') return
    const descriptor = openedIn(folder)
    assert.ok(descriptor)
    file.write(0, Buffer.alloc(BLOCK, 'secret'))
    file.write(1, Buffer.alloc(BLOCK, 'secret'))
    const handle = await open(descriptor, 'r+')
    const size = file.blockBytesOnDisk
    const bytes = Buffer.alloc(size * 2)
    const target = new Uint8Array(BLOCK)
    try {
      await handle.read(bytes, 0, size * 2, 0)
      assert.equal(bytes.includes('secret'), false)
      assert.notDeepEqual(bytes.subarray(28, size), bytes.subarray(size + 28))
      await handle.write(bytes, 0, size, size)
      assert.throws(() => file.read(1, target), { code: 'PETIOLE_DISK_DAMAGED' }, 'another block')
      bytes[100]! ^= 1
      await handle.write(bytes, 0, size, 0)
      assert.throws(() => file.read(0, target), { code: 'PETIOLE_DISK_DAMAGED' }, 'a bit')
    } finally {
      await handle.close()
    }
  })
})

/** How this process can reach a file without a name. */
function openedIn(folder: string): string | undefined {
  return readdirSync('/proc/self/fd')
    .map((name) => `/proc/self/fd/${name}`)
    .find((path) => linkOf(path).startsWith(folder))
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

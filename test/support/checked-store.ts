/** A store that no process has open must be found whole, whatever ended the last one. */
import assert from 'node:assert/strict'
import type { Clock, Disk } from '../../shared/runtime/index.ts'
import { checkStore, type StoreEncryption } from '../../shared/store/index.ts'

export async function assertWhole(
  disk: Disk,
  clock: Clock,
  directory: string,
  what: string,
  encryption: StoreEncryption = {},
): Promise<void> {
  const { ok, locked, problems, streams } = await checkStore({ disk, clock, directory, encryption })
  assert.deepEqual(problems, [], what)
  assert.equal(ok, true)
  assert.deepEqual(locked, [], what)
  for (const { name, lost } of streams) assert.deepEqual(lost, [], `${what}: ${name}`)
}

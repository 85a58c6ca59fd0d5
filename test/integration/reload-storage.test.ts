import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { connect } from '@nats-io/transport-node'
import { until } from '../support/fleet-harness.ts'
import { freePorts, PetioleProcess } from '../support/petiole-process.ts'

describe('reload of what a store may hold', function () {
  this.timeout(30_000)

  it('is what an account at work is told it may keep', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'petiole-storage-'))
    const file = path.join(folder, 'hub.conf')
    const [port = 0] = await freePorts(1)
    const write = (max: string): Promise<void> =>
      writeFile(
        file,
        `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${folder}/s", max_file_store: ${max} }\n`,
      )
    await write('64MB')
    const hub = new PetioleProcess('hub', ['hub', '-c', file])
    try {
      await hub.start()
      const client = await connect({ servers: `127.0.0.1:${port}` })
      const told = async (): Promise<number> => {
        const answer = await client.request('$JS.API.INFO')
        return answer.json<{ limits: { max_storage: number } }>().limits.max_storage
      }
      const before = await told()
      await write('128MB')
      process.kill(hub.pid, 'SIGHUP')
      await until('another figure', told, (max) => max === before * 2, 5_000).catch(
        (error: unknown) => {
          throw new Error(hub.lastWords(), { cause: error })
        },
      )
      assert.ok(before > 0)
      await client.close()
    } finally {
      await hub.kill()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

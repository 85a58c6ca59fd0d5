import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { until } from '../support/fleet-harness.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

const INSUFFICIENT_STORAGE = 10047

describe('reload of what a store may hold', function () {
  this.timeout(60_000)

  it('is what an account at work may reserve', async () => {
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
      const create = async (): Promise<number | undefined> => {
        const config = { name: 'S', subjects: ['s'], max_bytes: 100 * 2 ** 20 }
        const answer = await client.request('$JS.API.STREAM.CREATE.S', JSON.stringify(config))
        return answer.json<{ error?: { err_code: number } }>().error?.err_code
      }
      assert.equal(await create(), INSUFFICIENT_STORAGE)
      await write('128MB')
      process.kill(hub.pid, 'SIGHUP')
      await until('room', create, (code) => code === undefined, 5_000).catch((error: unknown) => {
        throw new Error(hub.lastWords(), { cause: error })
      })
      await client.close()
    } finally {
      await hub.kill()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

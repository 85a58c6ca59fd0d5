import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { startHub } from '../../index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { until } from '../support/fleet-harness.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

const INSUFFICIENT_STORAGE = 10047
const NOT_ENABLED_FOR_ACCOUNT = 10039

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

describe('reload of who may have streams', () => {
  const config = (folder: string, jetstream: boolean) => ({
    host: '127.0.0.1',
    port: -1,
    server_name: 'hub',
    jetstream: { store_dir: path.join(folder, 's') },
    accounts: {
      A: { jetstream, users: [{ user: 'a', password: 'a' }] },
      B: { jetstream: true, users: [{ user: 'b', password: 'b' }] },
    },
  })

  it('ends those of an account that may have none any more, and brings them back as they were', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'petiole-accounts-'))
    const hub = await startHub(config(folder, true))
    const of = (user: string) =>
      connect({ servers: `127.0.0.1:${hub.ports.client.port}`, user, pass: user })
    const [client, other] = [await of('a'), await of('b')]
    const ask = async (subject: string, body = '', by = client): Promise<unknown> => {
      const reply = await by.request(subject, body).catch((error: Error) => error.message)
      if (typeof reply === 'string') return reply
      const { error, seq, state } = reply.json<Answer>()
      return error?.err_code ?? seq ?? state?.messages
    }
    const create = JSON.stringify({ name: 'S', subjects: ['s'] })
    try {
      for (const by of [client, other]) {
        await ask('$JS.API.STREAM.CREATE.S', create, by)
        assert.equal(await ask('s', 'x', by), 1)
      }
      await hub.reload(parseConfig(config(folder, false), 'hub'))
      assert.equal(await ask('$JS.API.STREAM.INFO.S'), NOT_ENABLED_FOR_ACCOUNT)
      assert.match(String(await ask('s', 'x')), /no responders/)
      assert.equal(await ask('s', 'x', other), 2)
      await hub.reload(parseConfig(config(folder, true), 'hub'))
      assert.equal(await ask('$JS.API.STREAM.INFO.S'), 1)
      assert.equal(await ask('s', 'x'), 2)
    } finally {
      for (const one of [client, other]) await one.close()
      await hub.destroy()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

interface Answer {
  readonly error?: { readonly err_code: number }
  readonly seq?: number
  readonly state?: { readonly messages: number }
}

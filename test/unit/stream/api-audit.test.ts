import assert from 'node:assert/strict'
import { Advisories } from '../../../shared/stream/advisories.ts'
import { ApiAudit } from '../../../shared/stream/api/api-audit.ts'
import type { PortMessage, StreamPort } from '../../../shared/stream/port.ts'

function auditOf(isHeard: boolean) {
  const told: [subject: string, body: Record<string, unknown>][] = []
  const port = {
    hasInterest: () => isHeard,
    publish: (subject: string, _reply: string, _headers: Uint8Array, payload: Uint8Array) => {
      told.push([subject, JSON.parse(Buffer.from(payload).toString())])
    },
  } as unknown as StreamPort
  const clock = { wallMs: () => 1_000 } as never
  const random = { bytes: () => new Uint8Array(12) } as never
  const advisories = new Advisories(clock, random, port, 'hub')
  let described = 0
  const describe = (): Record<string, unknown> => ({ id: ++described })
  const audit = new ApiAudit({ port, advisories, serverName: 's', describe })
  return { audit, told, described: () => described }
}

const request: PortMessage = {
  subject: '$JS.hub.API.INFO',
  reply: 'r',
  headers: new Uint8Array(0),
  payload: Buffer.from('{}'),
}

describe('ApiAudit', () => {
  it('tells of a request under the API’s own prefix, with its answer as a text', () => {
    const { audit, told } = auditOf(true)
    audit.answered('INFO', request, Buffer.from('{"a":1}'))
    const [subject, body] = told[0] ?? ['', {}]
    assert.equal(subject, '$JS.EVENT.ADVISORY.API')
    assert.deepEqual(body, {
      type: 'io.nats.jetstream.advisory.v1.api_audit',
      id: '0'.repeat(24),
      timestamp: '1970-01-01T00:00:01Z',
      server: 's',
      client: { id: 1 },
      subject: '$JS.API.INFO',
      request: '{}',
      response: '{"a":1}',
      domain: 'hub',
    })
  })

  it('asks nobody and makes nothing when nobody listens', () => {
    const { audit, told, described } = auditOf(false)
    audit.answered('INFO', request, Buffer.from('{}'))
    audit.refused()
    audit.hasRoom()
    assert.deepEqual([told.length, described()], [0, 0])
  })

  it('tells once of all that were refused, when there is room again', () => {
    const { audit, told } = auditOf(true)
    audit.hasRoom()
    for (let i = 0; i < 3; i++) audit.refused()
    assert.equal(told.length, 0)
    audit.hasRoom()
    audit.hasRoom()
    assert.equal(told.length, 1)
    const [subject, body] = told[0] ?? ['', {}]
    assert.equal(subject, '$JS.EVENT.ADVISORY.API.LIMIT_REACHED')
    assert.deepEqual([body['dropped'], body['server'], body['domain']], [3, 's', 'hub'])
  })
})

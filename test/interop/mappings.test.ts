import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as path from 'node:path'
import { messageOf, SeededRandom } from '../../shared/runtime/index.ts'
import { SubjectMappings, SubjectTransform } from '../../shared/subject/index.ts'
import { ConfigFiles } from '../support/config-files.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'

const PEER = path.resolve(import.meta.dirname, '../../.peers/bin/nats-server')
const BINARY = process.env['NATS_SERVER'] ?? (existsSync(PEER) ? PEER : 'nats-server')

/** Source, destination, and what is published to it. Sources do not overlap: their order is not theirs. */
const TRANSFORMS: readonly (readonly [source: string, destination: string, ...string[]])[] = [
  ['a', 'A', 'a'],
  ['b.*.*', 'B.$2.$1', 'b.x.y', 'b.1.22'],
  ['c.*', 'C.{{ wildcard( 1 ) }}.{{Wildcard(1)}}', 'c.x'],
  ['d.>', 'D.e.>', 'd.1', 'd.1.2.3'],
  ['e.*.f.>', 'E.$1.>', 'e.1.f.2', 'e.1.f.2.3'],
  ['f.*.*', 'F.{{partition(10,1,2)}}', 'f.foo.bar', 'f.a.b', 'f.é.ü'],
  ['g.*.*', 'G.{{Partition(7,2)}}.$1', 'g.foo.bar', 'g.a.b'],
  ['h.*.*', 'H.{{partition(5)}}.$1.$2', 'h.foo.bar', 'h.a.b', 'h.c.d'],
  ['h2.*.>', 'H2.{{partition(5)}}.$1.>', 'h2.foo.bar', 'h2.a.b', 'h2.c.d.e'],
  ['i.*', 'I.{{partition(0,1)}}.$1', 'i.foo'],
  ['j.*', 'J.{{split(1,-)}}', 'j.a-b-c', 'j.-a', 'j.a-', 'j.a--b', 'j.ab'],
  ['k.*', 'K.{{SplitFromLeft(1,3)}}', 'k.abcdef', 'k.abc', 'k.ab'],
  ['l.*', 'L.{{splitFromRight(1,2)}}', 'l.abcdef', 'l.ab', 'l.a'],
  ['m.*', 'M.{{SliceFromLeft(1,2)}}', 'm.abcdef', 'm.abcde', 'm.ab', 'm.a'],
  ['n.*', 'N.{{sliceFromright(1,2)}}', 'n.abcdef', 'n.abcde', 'n.abc', 'n.a'],
  ['o.*', 'O.{{left(1,2)}}.{{Right(1,3)}}', 'o.abcdef', 'o.ab', 'o.abc'],
  ['p.*', 'P.$JS.$1', 'p.x'],
  ['q.*', 'Q.$0', 'q.x'],
  ['r.*', 'R.{{left(1,0)}}.{{slicefromleft(1,-1)}}', 'r.xy'],
  ['s.*.*.*', 'S.$3.$1.$2', 's.1.2.3'],
  ['t.*', 'T', 't.1'],
  ['u.*', 'U.{{left(1,1)}}', 'u.longer'],
]

const FAULTS: readonly (readonly [source: string, destination: string])[] = [
  ['a.*', 'b.$2'],
  ['a.*', 'b.{{wildcard(2)}}'],
  ['a.*', 'b.{{wildcard()}}'],
  ['a.*', 'b.{{wildcard(x)}}'],
  ['a.*', 'b.{{wildcard(1,2)}}'],
  ['a.*', 'b.{{unknown(1)}}'],
  ['a.*', 'b.{{partition()}}'],
  ['a.*', 'b.{{partition(10,2)}}'],
  ['a.*', 'b.{{partition(10,x)}}'],
  ['a.*', 'b.{{split(1)}}'],
  ['a.*', 'b.{{split(1,-,2)}}'],
  ['a.*', 'b.{{split(x,-)}}'],
  ['a.*', 'b.{{splitfromleft(1)}}'],
  ['a.*', 'b.{{splitfromleft(1,2,3)}}'],
  ['a.*', 'b.{{splitfromleft(1,x)}}'],
  ['a.*', 'b.{{left(2,1)}}'],
  ['a.*', 'b.{{random()}}'],
  ['a.*', 'b.{{SPLIT(1,-)}}'],
  ['a.*', 'b.*'],
  ['a', 'b.$1'],
  ['a', 'b.{{left(1,1)}}'],
  ['a.>', 'b'],
  ['a', 'b.>'],
  ['a.>', 'b.>.c'],
  ['a.*', 'b..$1'],
  ['a', 'b c'],
]

describe('subject mappings, beside nats-server', () => {
  it('makes the same of each subject', async () => {
    const lines = TRANSFORMS.map(
      ([source, destination]) => `${quote(source)}: ${quote(destination)}`,
    )
    const peer = await NatsServerPeer.start(`mappings {\n${lines.join('\n')}\n}`)
    try {
      const client = await peer.client()
      const random = new SeededRandom(1)
      const expected: string[] = []
      const got: string[] = []
      client.subscribe('>', { callback: (_error, message) => void got.push(message.subject) })
      for (const [source, destination, ...subjects] of TRANSFORMS) {
        const transform = new SubjectTransform(source, destination)
        for (const subject of subjects) {
          expected.push(transform.match(subject, random) ?? subject)
          client.publish(subject)
        }
      }
      await client.flush()
      assert.deepEqual(got, expected)
    } finally {
      await peer.stop()
    }
  })

  it('shares by weight alike, and loses what the source leaves over', async () => {
    const text = `mappings {
      a: [ { dest: x, weight: 20% }, { dest: y, weight: "50%" } ]
      b: [ { dest: b, weight: 40% } ]
      c: [ { dest: z, weight: 0% } ]
    }`
    const peer = await NatsServerPeer.start(text)
    try {
      const theirs = new Map<string, number>()
      const client = await peer.client()
      client.subscribe('>', {
        callback: (_error, { subject }) => void theirs.set(subject, (theirs.get(subject) ?? 0) + 1),
      })
      const ours = new Map<string, number>()
      const mappings = new SubjectMappings(
        [rule('a', ['x', 20], ['y', 50]), rule('b', ['b', 40]), rule('c', ['z', 0])],
        '',
      )
      const random = new SeededRandom(2)
      for (let i = 0; i < 4_000; i++) {
        for (const subject of ['a', 'b', 'c']) {
          client.publish(subject)
          const to = mappings.map(subject, random) ?? subject
          if (to !== '') ours.set(to, (ours.get(to) ?? 0) + 1)
        }
      }
      await client.flush()
      assert.deepEqual([...theirs.keys()].toSorted(), [...ours.keys()].toSorted())
      for (const [subject, count] of theirs) {
        const difference = Math.abs(count - (ours.get(subject) ?? 0))
        assert.ok(difference < 250, `${subject}: ${count} and ${ours.get(subject)}`)
      }
    } finally {
      await peer.stop()
    }
  })

  it('refuses the same destinations with the same words', async () => {
    const files = await ConfigFiles.create()
    try {
      for (const [source, destination] of FAULTS) {
        const text = `mappings { ${quote(source)}: ${quote(destination)} }`
        const file = await files.write('mappings.conf', text)
        const theirs = spawnSync(BINARY, ['-t', '-c', file], { encoding: 'utf8' })
        assert.notEqual(theirs.status, 0, `${source} -> ${destination}`)
        let ours = 'no error'
        try {
          new SubjectMappings([rule(source, [destination, 100])], '')
        } catch (error) {
          ours = messageOf(error)
        }
        assert.ok(
          theirs.stderr.includes(ours),
          `${source} -> ${destination}: ${ours}; ${theirs.stderr}`,
        )
      }
    } finally {
      await files.remove()
    }
  })
})

function rule(subject: string, ...destinations: (readonly [string, number])[]) {
  return {
    subject,
    destinations: destinations.map(([to, weight]) => ({ subject: to, weight, cluster: '' })),
  }
}

function quote(text: string): string {
  return JSON.stringify(text)
}

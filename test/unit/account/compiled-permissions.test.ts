import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { compilePermissions } from '../../../shared/account/index.ts'
import { permissionsConfig } from './setup.ts'

describe('permissions', () => {
  it('allow what no list forbids', () => {
    const all = compilePermissions(permissionsConfig({}))
    assert.equal(all.restrictsPublish, false)
    assert.ok(all.mayPublish('a') && all.maySubscribe('>', '') && all.maySubscribe('>', 'q'))
    assert.equal(all.responses, undefined)
    assert.equal(all.filtersDeliveries('>'), false)
  })

  it('publish: an empty list allows nothing, a deny wins', () => {
    assert.equal(compilePermissions(permissionsConfig({ pub: [] })).mayPublish('a'), false)
    const some = compilePermissions(
      permissionsConfig({ pub: ['a.*', 'b.>'], noPub: ['a.x', 'b.>'] }),
    )
    assert.equal(some.restrictsPublish, true)
    const cases: [string, boolean][] = [
      ['a.b', true],
      ['a.x', false],
      ['a', false],
      ['a.b.c', false],
      ['b.c', false],
      ['c', false],
    ]
    for (const [subject, expected] of cases)
      assert.equal(some.mayPublish(subject), expected, subject)
  })

  it('responses alone may be published when there is no publish list', () => {
    const responses = { max: 2, expires: 60_000 }
    const only = compilePermissions(permissionsConfig({ responses }))
    assert.equal(only.mayPublish('a'), false)
    assert.deepEqual(only.responses, { max: 2, expiresMs: 60_000 })
    assert.equal(
      compilePermissions(permissionsConfig({ responses, pub: ['a'] })).mayPublish('a'),
      true,
    )
  })

  // What nats-server 2.15 answers to the same lines, but for the last of the first block (see below).
  it('subscribe: as nats-server decides it', () => {
    const tables: [Parameters<typeof permissionsConfig>[0], [string, string, boolean][]][] = [
      [
        { sub: ['foo.*', 'bar'], noSub: ['foo.x'] },
        [
          ['foo.*', '', true],
          ['foo.x', '', false],
          ['foo.y', '', true],
          ['bar', '', true],
          ['bar', 'q', true],
          ['>', '', false],
          ['*', '', false],
        ],
      ],
      [
        { noSub: ['foo.*', 'q.> deny', 'z'] },
        [
          ['foo.>', '', false],
          ['foo.*', '', false],
          ['>', '', true],
          ['q.a', 'deny', false],
          ['q.a', '', true],
          ['q.a', 'ok', true],
          ['z', 'q', false],
        ],
      ],
      [
        { sub: ['foo', 'foo v1', 'foo v1.>'], noSub: ['> qd'] },
        [
          ['foo', '', true],
          ['foo', 'v1', true],
          ['foo', 'v1.2', true],
          ['foo', 'v1.2.3', true],
          ['foo', 'v2', false],
          ['foo', 'qd', false],
        ],
      ],
      [
        { sub: ['foo q'] },
        [
          ['foo', 'q', true],
          ['foo', '', false],
          ['foo', 'p', false],
          ['bar', 'q', false],
        ],
      ],
      [{ sub: [] }, [['anything.>', '', true]]],
    ]
    for (const [config, cases] of tables) {
      const permissions = compilePermissions(permissionsConfig(config))
      for (const [subject, queue, expected] of cases) {
        const what = `${JSON.stringify(config)} ${subject} ${queue}`
        assert.equal(permissions.maySubscribe(subject, queue), expected, what)
      }
    }
  })

  it('subscribe: no entry lets a wider subscription in, which nats-server does for a final >', () => {
    const one = compilePermissions(permissionsConfig({ sub: ['foo.*', '*'] }))
    assert.equal(one.maySubscribe('foo.>', ''), false)
    assert.equal(one.maySubscribe('>', ''), false)
    assert.equal(one.maySubscribe('*', ''), true)
  })

  it('deliveries: what a let-in wildcard subscription must not see', () => {
    const permissions = compilePermissions(permissionsConfig({ noSub: ['a.secret', 'b.> q'] }))
    assert.equal(permissions.filtersDeliveries('a.*'), true)
    assert.equal(permissions.filtersDeliveries('a.open'), false)
    assert.equal(permissions.filtersDeliveries('c.*'), false)
    assert.equal(permissions.mayReceive('a.secret'), false)
    assert.equal(permissions.mayReceive('a.open'), true)
    assert.equal(permissions.mayReceive('b.x'), true)
    assert.equal(permissions.mayReceive('b.x', 'q'), false)
    assert.equal(permissions.mayReceive('b.x', 'p'), true)
  })

  it('never let a subscription see what a naive reading denies or does not allow', () => {
    const token = fc.constantFrom('a', 'b', 'c')
    const literal = fc.array(token, { minLength: 1, maxLength: 3 })
    const pattern = fc
      .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 2 }), fc.boolean(), token)
      .map(([head, isMore, last]) => [...head, isMore ? '>' : last].join('.'))
    const queue = fc.constantFrom('', 'q', 'p', 'v.1')
    const line = fc
      .tuple(pattern, fc.constantFrom('', '', ' q', ' *', ' v.>'))
      .map(([subject, group]) => subject + group)
    const lines = fc.array(line, { maxLength: 4 })
    void fc.assert(
      fc.property(lines, lines, pattern, queue, literal, (allow, deny, wanted, group, tokens) => {
        const permissions = compilePermissions(permissionsConfig({ sub: allow, noSub: deny }))
        const subject = tokens.join('.')
        if (!permissions.maySubscribe(wanted, group) || !naiveMatch(subject, wanted)) return
        const isFiltered = permissions.filtersDeliveries(wanted, group)
        if (isFiltered && !permissions.mayReceive(subject, group)) return
        assert.ok(naiveAllows(allow, subject, group), `allow ${allow} ${wanted} ${subject}`)
        assert.ok(!naiveDenies(deny, subject, group), `deny ${deny} ${wanted} ${subject}`)
      }),
      { numRuns: 3_000 },
    )
  })
})

function naiveMatch(subject: string, pattern: string): boolean {
  const source = pattern
    .split('.')
    .map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token))
    .join('\\.')
  return new RegExp(`^${source}$`).test(subject)
}

function naiveAllows(lines: readonly string[], subject: string, queue: string): boolean {
  if (lines.length === 0) return true
  return lines.some(
    (line) => covers(line, subject, queue) || covers(`${line} ${queue}`, subject, queue),
  )
}

function naiveDenies(lines: readonly string[], subject: string, queue: string): boolean {
  return lines.some(
    (line) => covers(line, subject, queue) || (!line.includes(' ') && naiveMatch(subject, line)),
  )
}

function covers(line: string, subject: string, queue: string): boolean {
  const [pattern = '', group = ''] = line.split(' ')
  if (!naiveMatch(subject, pattern)) return false
  return group === queue || (queue !== '' && group !== '' && naiveMatch(queue, group))
}

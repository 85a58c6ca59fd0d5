import assert from 'node:assert/strict'
import { importFaults } from '../../../shared/imports/index.ts'
import { accountConfig, exported, imported } from '../../support/account-configs.ts'

function texts(...accounts: Parameters<typeof importFaults>[0]): string[] {
  return importFaults(accounts).map(({ account, text }) => `${account}: ${text}`)
}

describe('importFaults', () => {
  it('finds nothing wrong with what is exported', () => {
    const a = accountConfig('A', {
      exports: [exported('stream', 's.>'), exported('service', 'q.*')],
    })
    const b = accountConfig('B', {
      imports: [imported('stream', 'A', 's.x'), imported('service', 'A', 'q.*', 'r.$1')],
    })
    assert.deepEqual(texts(a, b), [])
  })

  it('says what is not exported, streams first', () => {
    const a = accountConfig('A', { exports: [exported('stream', 's.*')] })
    const b = accountConfig('B', {
      imports: [
        imported('service', 'A', 's.x'),
        imported('stream', 'A', 's.>'),
        imported('stream', 'NOBODY', 's'),
      ],
    })
    assert.deepEqual(texts(a, b), [
      'B: Error adding stream import "s.>": stream import not authorized',
      'B: Error adding stream import "s": stream import not authorized',
      'B: Error adding service import "s.x": service import not authorized',
    ])
  })

  it('finds the import that closes a circle, over any number of accounts', () => {
    for (const kind of ['stream', 'service'] as const) {
      for (const count of [2, 3, 40]) {
        const accounts = Array.from({ length: count }, (_, i) =>
          accountConfig(`N${i}`, {
            exports: [exported(kind, 's.>')],
            imports: [imported(kind, `N${(i + count - 1) % count}`, 's.>')],
          }),
        )
        const last = `N${count - 1}: Error adding ${kind} import "s.>": import forms a cycle`
        assert.deepEqual(texts(...accounts), [last])
      }
    }
  })

  it('tells what comes twice, and what cannot be mapped back', () => {
    const a = accountConfig('A', {
      exports: [exported('stream', 's.*'), exported('service', 'q'), exported('service', 'r')],
    })
    const b = accountConfig('B', {
      imports: [
        imported('stream', 'A', 's.*'),
        imported('stream', 'A', 's.*', 't.$1'),
        imported('service', 'A', 'q', 'x'),
        imported('service', 'A', 'r', 'x'),
      ],
    })
    const c = accountConfig('C', { imports: [imported('stream', 'A', 's.*', 't')] })
    assert.deepEqual(texts(a, b, c), [
      'B: Error adding stream import "s.*": stream import already exists',
      'C: Error adding stream import "s.*": failed to create mapping transform for stream import subject from "s.*" to "t": invalid mapping destination: not using all of the token wildcard(s) in t',
      'B: Error adding service import "r": duplicate service import subject "x", previously used in import for account "A", subject "q"',
    ])
  })
})

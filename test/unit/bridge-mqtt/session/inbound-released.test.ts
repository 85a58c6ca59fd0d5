import assert from 'node:assert/strict'
import { RepeatedReleases } from '../../../../bridge-mqtt/session/inbound-released.ts'
import { PetioleError } from '../../../../shared/runtime/index.ts'
import type { Committed, Store } from '../../../../shared/store/index.ts'

describe('PUBRELs of identifiers that are not in use', () => {
  let barriers: Committed[]
  let answered: string[]
  let releases: RepeatedReleases

  beforeEach(() => {
    barriers = []
    answered = []
    const store: Pick<Store, 'barrier'> = { barrier: (committed) => void barriers.push(committed) }
    releases = new RepeatedReleases(store as Store, (packetId, error) =>
      answered.push(`${packetId}${error === undefined ? '' : ` ${error.code}`}`),
    )
  })

  function commit(error?: PetioleError): void {
    barriers.shift()?.(error, 0)
  }

  it('are answered when all that was before them is on disk', () => {
    releases.add(1)
    releases.add(2)
    assert.deepEqual(answered, [])
    commit()
    assert.deepEqual(answered, ['1'])
    commit()
    assert.deepEqual(answered, ['1', '2'])
    releases.add(3)
    commit()
    assert.deepEqual([answered.at(-1), barriers.length], ['3', 0])
  })

  it('take no more room than there are identifiers, while the disk is slow', () => {
    for (let i = 0; i < 200_000; i++) releases.add(1 + (i % 65_535))
    assert.equal(barriers.length, 1)
    commit()
    assert.equal(barriers.length, 1)
    commit()
    assert.equal(barriers.length, 0)
    assert.equal(answered.length, 1 + 65_535)
    assert.equal(new Set(answered).size, 65_535)
  })

  it('tell what went wrong, and go on', () => {
    releases.add(1)
    commit(new PetioleError('PETIOLE_STORE_FULL', ''))
    releases.add(1)
    commit()
    assert.deepEqual(answered, ['1 PETIOLE_STORE_FULL', '1'])
  })
})

/** Subjects and their wildcards: rules, one compiled filter, a tree of many, and a memory of those seen. */
export { BytesCache, isSame } from './bytes-cache.ts'
export { hasWildcard, isLiteral, isValidSubject, overlaps, subsetOf } from './subject.ts'
export { SubjectFilter } from './subject-filter.ts'
export { SubjectTree } from './subject-tree.ts'

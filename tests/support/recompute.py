"""Recomputes from a session's raw rows what the program says of it, and holds the program's tables against that.

    recompute.py SESSION.mixo KIND=TABLE.csv ...

It shares nothing with the program: it reads the SQLite file (tables: sessions/schema.cpp) and the routing blobs (layout:
sessions/trace_blob.h) and takes the formulas from the README. Every column of a table must be recomputed here, or is a
difference. Kinds: comparison, forced, balance (`export --csv`), metrics, load, dead, tokens, kinds, pairs, rolling (what
the window's views export; a test puts `lane`, and for kinds and pairs `layer` and `selected`, before their columns).
Writes {"checked": {kind: cells}, "differences": [text, ...]}.
"""
import csv
import json
import sqlite3
import struct
import sys
import zlib

import numpy as np

PHASES = ['prompt', 'thinking', 'answer']
MODES = ['think', 'no_think', 'auto']
STOPS = ['none', 'end_of_turn', 'max_tokens', 'context_full', 'stopped', 'error', 'forced_end']
COMPARED, FORCED, ALONE, FORK = 1, 2, 3, 4  # lane roles
INJECTED, TAG, END_OF_TURN, STRAY, FORCED_TOKEN = 2, 4, 8, 16, 64  # token flags
VIRTUAL = 32  # layer flag
TURN_STARTED, BUDGET, MODE, POLICY, SAMPLING, FINISHED, FORKED = 0, 1, 2, 3, 4, 8, 12  # events
UNLIMITED = 2**31 - 1
NONE = None  # an empty field


class Row:
    """A token that was fed, and the one that it chose."""

    def __init__(self, record, session):
        (self.serial, self.step, self.lane, self.end_us, self.position, self.token, self.phase, self.flags,
         self.next_position, self.next_token, self.next_phase, self.next_flags, self.next_logprob, self.next_rank,
         blob) = record
        version, _, _, ids, weights, facts, probabilities = struct.unpack_from('<BBHIIII', blob)
        assert version == 1 and struct.unpack_from('<I', blob, len(blob) - 4)[0] == zlib.crc32(blob[:-4])
        at = 20
        self.ids = np.frombuffer(blob, '<i2', ids, at).reshape(session.layers, session.slots)
        at += 2 * ids
        self.weights = np.frombuffer(blob, '<f4', weights, at).reshape(session.layers, session.slots)
        at += 4 * weights
        kind = np.dtype([('entropy', '<f4'), ('top', '<f4'), ('last', '<f4'), ('next', '<f4'), ('expert', '<i2'),
                         ('active', 'u1'), ('flags', 'u1')])
        self.facts = np.frombuffer(blob, kind, facts, at)
        assert at + 20 * facts + 4 * probabilities + 4 == len(blob) and facts == session.layers

    def experts(self, layer):
        return [int(e) for e in self.ids[layer] if e >= 0]

    def gates(self, layer):
        return {int(e): float(w) for e, w in zip(self.ids[layer], self.weights[layer]) if e >= 0}


class Token:
    """A token of a lane that was chosen rather than given in the prompt."""

    def __init__(self, row):
        self.position, self.id, self.phase, self.flags = (row.next_position, row.next_token, row.next_phase,
                                                          row.next_flags)
        self.time_us, self.logprob, self.rank = row.end_us, row.next_logprob, row.next_rank


class Lane:
    def __init__(self, session, number):
        self.number = number
        self.own = [row for row in session.rows if row.lane == number]
        events = [event for event in session.events if event['lane'] == number]
        self.policies = [event['text'] for event in events if event['kind'] == POLICY]
        self.started = next((e for e in events if e['kind'] == TURN_STARTED), None)
        self.finished = next((e for e in reversed(events) if e['kind'] == FINISHED), None)
        self.fork = next((e for e in events if e['kind'] == FORKED), None)
        self.events = events
        inherited, tokens = [], {}
        if self.fork is not None:  # the rows and tokens of another lane, up to where this one goes on
            source = session.lane(self.fork['value'])
            inherited = [row for row in source.rows if row.position < self.fork['old']]
            tokens = {at: token for at, token in source.tokens.items() if at < self.fork['position']}
        self.rows = sorted(inherited + self.own, key=lambda row: row.position)
        own = [Token(row) for row in self.own if row.next_token >= 0]
        self.clocked = own
        self.tokens = tokens | {token.position: token for token in own}
        self.prompt_tokens = self.started['value'] if self.started else 0
        self.generated = [self.tokens[at] for at in sorted(self.tokens)]

    def rows_of(self, phases):
        return [row for row in self.rows if row.phase in phases]


class Session:
    def __init__(self, path):
        base = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
        self.meta = dict(base.execute('SELECT key, value FROM session'))
        self.layers, self.slots, self.experts, numbers = base.execute(
            'SELECT moe_layers, slots, experts, layer_numbers_json FROM model').fetchone()
        self.numbers = json.loads(numbers)  # the model's number of each layer
        self.bytes = json.loads(self.meta.get('expert_bytes', '[]'))
        self.rows = [Row(record, self) for record in base.execute(
            'SELECT serial, step, lane, step_end_us, position, token, phase, flags, next_position, next_token,'
            ' next_phase, next_flags, next_logprob, next_rank, routing FROM rows ORDER BY serial')]
        names = ['step', 'us', 'lane', 'position', 'kind', 'old', 'value', 'text']
        self.events = [dict(zip(names, record)) for record in base.execute(
            'SELECT step, time_us, lane, position, kind, old_value, value, text FROM events ORDER BY serial')]
        names = ['lane', 'role', 'tag', 'parent', 'position', 'change', 'json']
        self.origins = [dict(zip(names, record)) for record in base.execute(
            'SELECT lane, role, tag, parent, position, change, json FROM lanes ORDER BY lane')]
        self.judged = {}
        for lane, position, token, logprob, divergence, top in base.execute(
                'SELECT lane, position, token, logprob, divergence, same_top FROM forced_tokens ORDER BY position'):
            self.judged.setdefault(lane, []).append((position, token, logprob, divergence, top))
        self.lanes = {}

    def lane(self, number):
        if number not in self.lanes:
            self.lanes[number] = Lane(self, number)
        return self.lanes[number]

    def compared(self):
        return sorted((o for o in self.origins if o['tag'] >= 0 and o['role'] in (COMPARED, FORK)),
                      key=lambda origin: origin['tag'])

    def beside(self, origin, role):
        """The last lane that measures a compared one; None: there is none."""
        found = [o['lane'] for o in self.origins if o['role'] == role and o['parent'] == origin['lane']]
        return self.lane(found[-1]) if found else None

    # --- formulas (README, "Measures" and "Comparing lanes") ----------------------------------------------------------

    def load(self, rows, layer):
        counts = np.zeros(self.experts, dtype=np.int64)
        for row in rows:
            for expert in row.experts(layer):
                counts[expert] += 1
        return counts

    def balance(self, rows, layer):
        counts, n, t = self.load(rows, layer), self.experts, len(rows)
        total = int(counts.sum())
        measures = {'rows': t, 'unseen': int((counts == 0).sum()), 'auxiliary_product': NONE, 'dead': False}
        names = ['cv', 'cv_floor', 'excess_cv', 'max_violation', 'gini', 'normalised_entropy']
        if total == 0:
            return measures | dict.fromkeys(names, NONE)
        k, q = total / t, counts / total
        cv = float(np.std(counts) / np.mean(counts))
        floor = max(0.0, (n / k - 1) / t) ** 0.5
        pairs = np.abs(counts[:, None] - counts[None, :]).sum()  # the pairwise form: mean absolute difference
        seen = q[q > 0]
        measures['dead'] = bool(t >= 128 and n * max(0.0, 1 - k / n)**t < 0.05)
        return measures | {
            'cv': cv, 'cv_floor': floor, 'excess_cv': max(0.0, cv * cv - floor * floor)**0.5,
            'max_violation': n * float(q.max()) - 1, 'gini': float(pairs) / (2 * n * total),
            'normalised_entropy': float(-(seen * np.log(seen)).sum() / np.log(n)) if n > 1 else 1.0}

    def lane_balance(self, rows, name):
        values = [self.balance(rows, layer)[name] for layer in range(self.layers)]
        values = [value for value in values if value is not NONE]
        return float(np.mean(values)) if values else NONE

    def load_moved(self, base, lane):
        moved = []
        for layer in range(self.layers):
            before, now = self.load(base.rows, layer), self.load(lane.rows, layer)
            if before.sum() and now.sum():
                moved.append(0.5 * np.abs(now / now.sum() - before / before.sum()).sum())
        return float(np.mean(moved)) if moved else NONE

    def active_in(self, rows, layer):
        return sum(len(row.experts(layer)) for row in rows) / len(rows)

    def active(self, rows):
        return float(np.mean([self.active_in(rows, layer) for layer in range(self.layers)])) if rows else NONE

    def bytes_per_token(self, rows):
        """Each expert once a step and layer, of the rows that the lane has in the step."""
        touched = {(row.lane, row.step, layer, expert)
                   for row in rows for layer in range(self.layers) for expert in row.experts(layer)}
        return sum(self.bytes[layer] for _, _, layer, _ in touched) / len(rows) if rows else NONE

    def selections(self, rows):
        ran = dropped = virtual = 0
        for row in rows:
            for layer in range(self.layers):
                ran += int((row.ids[layer] >= 0).sum())
                not_run = int((row.ids[layer] <= -2).sum())
                if row.facts[layer]['flags'] & VIRTUAL:
                    virtual += not_run
                else:
                    dropped += not_run
        return ran + dropped + virtual, dropped, virtual

    def overlaps(self, base, lane, first, end=UNLIMITED):
        """(jaccard, overlap, weight distance) of every row and layer of [first, end)."""
        theirs = {row.position: row for row in base.rows}
        found = []
        for row in lane.rows:
            if not first <= row.position < end or row.position not in theirs:
                continue
            for layer in range(self.layers):
                a, b = theirs[row.position].gates(layer), row.gates(layer)
                both, either = len(a.keys() & b.keys()), len(a.keys() | b.keys())
                distance = 0.5 * sum(abs(a.get(e, 0.0) - b.get(e, 0.0)) for e in a.keys() | b.keys())
                found.append((both / either if either else 1.0, both / len(a) if a else float(not b), distance))
        return np.array(found).mean(axis=0) if found else None


def uniform(seed, count):
    """Philox4x32-10 at positions 0 to count - 1, 53 bits of each block."""
    word = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    position = np.arange(count, dtype=np.uint64)
    c = [position & word, position >> half, np.zeros(count, np.uint64), np.zeros(count, np.uint64)]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(second >> half) ^ c[1] ^ np.uint64(key[0]), second & word,
             (first >> half) ^ c[3] ^ np.uint64(key[1]), first & word]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return ((c[0] << half | c[1]) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def interval(changes, seed):
    """Percentile bootstrap of the mean, 2,000 resamples."""
    count = len(changes)
    drawn = (uniform(seed, 2000 * count).reshape(2000, count) * count).astype(np.int64)
    means = np.asarray(changes)[drawn].mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def first_divergence(base, lane):
    a, b = [t.id for t in base.generated], [t.id for t in lane.generated]
    for index, (one, other) in enumerate(zip(a, b)):
        if one != other:
            return index
    ended = base.finished if len(a) < len(b) else lane.finished
    return min(len(a), len(b)) if len(a) != len(b) and ended else -1


def thinking_tokens(lane):
    """N: strictly inside the block, of the model's own."""
    def counts(token):
        tag = token.flags & TAG and not token.flags & STRAY
        return token.phase == 1 and not tag and not token.flags & (INJECTED | END_OF_TURN)
    return sum(bool(counts(token)) for token in lane.generated)


def answer_tokens(lane):
    return sum(token.phase == 2 and not token.flags & (INJECTED | TAG | END_OF_TURN) for token in lane.generated)


def settings_in_force(origin, lane):
    settings = json.loads(origin['json'])
    for event in lane.events:
        if event['kind'] == BUDGET:
            settings['budget'] = event['value']
        if event['kind'] == MODE:
            settings['mode'] = event['value']
        if event['kind'] == POLICY:
            settings['policy'] = event['text']
        if event['kind'] == SAMPLING:
            settings |= json.loads(event['text'])
    return settings


def times(lane, start_us):
    """(TTFT, TPOT, latency) in ms of the tokens that the lane itself chose."""
    ends = [token.time_us for token in lane.clocked]
    if not ends:
        return NONE, NONE, NONE
    per_token = (ends[-1] - ends[0]) / 1000 / (len(ends) - 1) if len(ends) > 1 else 0.0
    return (ends[0] - start_us) / 1000, per_token if per_token > 0 else NONE, (ends[-1] - start_us) / 1000


def looks_at_steps(policy):
    return 'expert-choice' in policy or ('capacity=' in policy and 'capacity=inf' not in policy)


class Quality:
    """Of a forced lane. What was judged must be what its own rows say of the tokens, in single precision there."""

    def __init__(self, session, base, lane, differences):
        judged, theirs = session.judged.get(lane.number, []), session.judged.get(base.number, [])
        self.tokens = min(len(judged), len(theirs))
        mine = [t for t in lane.generated if t.flags & FORCED_TOKEN and not t.flags & INJECTED]
        if [(t.position, t.id) for t in mine[:len(judged)]] != [entry[:2] for entry in judged]:
            differences.append(f'lane {lane.number}: the judged tokens are not those that its rows chose')
        for token, entry in zip(mine, judged):
            if abs(token.logprob - entry[2]) > 1e-5 * (1 + abs(entry[2])):
                differences.append(f'lane {lane.number}, {token.position}: judged {entry[2]}, traced {token.logprob}')
        greedy = all(t.rank == 0 for t in base.generated if not t.flags & INJECTED)
        if greedy and [t.rank == 0 for t in mine[:len(judged)]] != [bool(entry[4]) for entry in judged]:
            differences.append(f'lane {lane.number}: same_top is not what the ranks of its tokens say')
        ours = np.array([entry[2] for entry in judged[:self.tokens]])
        before = np.array([entry[2] for entry in theirs[:self.tokens]])
        self.nll, self.change = float(-ours.mean()), float((before - ours).mean())
        self.low, self.high = NONE, NONE
        if session.meta.get('forced_complete') == '1':
            self.low, self.high = interval(before - ours, int(session.meta['bootstrap_seed']))
        self.kl = float(np.mean([entry[3] for entry in judged[:self.tokens]]))
        self.top1 = float(np.mean([entry[4] for entry in judged[:self.tokens]]))


def comparison(session, differences):
    """The rows of comparison.csv."""
    origins = session.compared()
    base, base_forced = session.lane(origins[0]['lane']), session.beside(origins[0], FORCED)
    run_start = min(session.lane(o['lane']).started['us'] for o in origins if o['role'] == COMPARED)
    table = []
    for origin in origins:
        lane, is_base = session.lane(origin['lane']), origin is origins[0]
        settings = settings_in_force(origin, lane)
        everything = lane.rows
        generated = lane.rows_of([1, 2])
        is_fork = origin['role'] == FORK
        ttft, tpot, latency = times(lane, run_start)
        row = {'lane': origin['tag'], 'change': origin['change'], 'policy': settings['policy'],
               'budget': 'unlimited' if settings['budget'] == UNLIMITED else settings['budget'],
               'mode': MODES[settings['mode']], 'greedy': int(settings['greedy']), 'prompt_tokens': lane.prompt_tokens}
        row |= {name: settings[name] for name in ['temperature', 'top_p', 'top_k', 'min_p', 'seed']}
        row['shared_prompt_tokens'] = min(lane.fork['old'], lane.prompt_tokens) if lane.fork else 0
        row['thinking_tokens'], row['answer_tokens'] = thinking_tokens(lane), answer_tokens(lane)
        row['injected_tokens'] = sum(bool(token.flags & INJECTED) for token in lane.generated)
        row['stop_reason'] = STOPS[lane.finished['value']] if lane.finished else 'none'
        row['first_divergence'] = NONE if is_base else first_divergence(base, lane)
        row['experts_per_layer'] = session.active(generated)
        row['expert_bytes_per_token'] = session.bytes_per_token(generated)
        row['load_cv'] = session.lane_balance(everything, 'cv')
        row['load_cv_floor'] = session.lane_balance(everything, 'cv_floor')
        row['load_moved'] = NONE if is_base else session.load_moved(base, lane)
        row['selections'], row['dropped'], row['virtual'] = session.selections(everything)
        row['ttft_ms'], row['latency_ms'] = (NONE, NONE) if is_fork else (ttft, latency)
        row['tpot_ms'] = tpot
        alone = session.beside(origin, ALONE)
        row['alone_ttft_ms'], row['alone_tpot_ms'], _ = times(alone, alone.started['us']) if alone else (NONE,) * 3
        forced = session.beside(origin, FORCED)
        began = [json.loads(origin['json'])['policy']]
        began += [json.loads(o['json'])['policy'] for o in session.origins if forced and o['lane'] == forced.number]
        row['prefill_chunk'] = session.meta.get('prefill_chunk', NONE) if any(map(looks_at_steps, began)) else NONE
        names = ['nll', 'nll_change', 'nll_change_low', 'nll_change_high', 'kl', 'top1_share', 'jaccard', 'overlap',
                 'weight_distance', 'forced_experts_per_layer', 'forced_expert_bytes_per_token', 'forced_load_cv',
                 'forced_load_cv_floor', 'forced_load_moved']
        row |= dict.fromkeys(names, NONE)
        row |= {'forced_tokens': 0, 'forced_selections': 0, 'forced_dropped': 0, 'forced_virtual': 0}
        if forced and session.judged.get(forced.number):
            quality = Quality(session, base_forced, forced, differences)
            row |= {'forced_tokens': quality.tokens, 'nll': quality.nll, 'kl': quality.kl, 'top1_share': quality.top1}
            if not is_base:
                row |= {'nll_change': quality.change, 'nll_change_low': quality.low, 'nll_change_high': quality.high,
                        'forced_load_moved': session.load_moved(base_forced, forced)}
            alike = session.overlaps(base_forced, forced, base_forced.prompt_tokens - 1)
            row['jaccard'], row['overlap'], row['weight_distance'] = map(float, alike)
            generated = forced.rows_of([1, 2])
            row['forced_experts_per_layer'] = session.active(generated)
            row['forced_expert_bytes_per_token'] = session.bytes_per_token(generated)
            row['forced_load_cv'] = session.lane_balance(forced.rows, 'cv')
            row['forced_load_cv_floor'] = session.lane_balance(forced.rows, 'cv_floor')
        if forced:
            row['forced_selections'], row['forced_dropped'], row['forced_virtual'] = session.selections(forced.rows)
        table.append(row)
    return table


def forced(session, _):
    table = []
    base = session.beside(session.compared()[0], FORCED)
    for origin in session.compared():
        lane = session.beside(origin, FORCED)
        for position, token, logprob, divergence, top in session.judged.get(lane.number, []) if lane else []:
            alike = session.overlaps(base, lane, position - 1, position)
            table.append({'lane': origin['tag'], 'position': position, 'id': token, 'logprob': logprob,
                          'kl': divergence, 'same_top1': top} |
                         dict(zip(['jaccard', 'overlap', 'weight_distance'], map(float, alike))))
    return table


def balance(session, _):
    """Of the rows that a lane computed itself."""
    table = []
    names = ['rows', 'cv', 'cv_floor', 'excess_cv', 'max_violation', 'gini', 'normalised_entropy', 'unseen']
    for number in sorted({row.lane for row in session.rows}):
        for phase in range(3):
            rows = [row for row in session.lane(number).own if row.phase == phase]
            for layer in range(session.layers):
                measures = session.balance(rows, layer)
                table.append({'lane': number, 'phase': PHASES[phase], 'layer': session.numbers[layer]} |
                             {name: measures[name] for name in names})
    return table


def metrics(session, differences):
    """The table on screen: of the teacher-forced pass if there is one."""
    table = []
    for row in comparison(session, differences):
        is_forced = row['forced_tokens'] > 0
        shown = {'lane': chr(ord('A') + row['lane']), 'policy': row['policy'],
                 'routing_of': 'teacher_forced' if is_forced else 'free_run'}
        for name in ['experts_per_layer', 'expert_bytes_per_token', 'load_cv', 'load_cv_floor', 'dropped', 'virtual']:
            shown[name] = row['forced_' + name if is_forced else name]
        for name in ['nll', 'nll_change', 'nll_change_low', 'nll_change_high', 'jaccard', 'kl', 'top1_share',
                     'thinking_tokens', 'ttft_ms', 'tpot_ms', 'latency_ms', 'alone_tpot_ms']:
            shown[name] = row[name]
        shown['first_divergence'] = NONE if row['first_divergence'] == -1 else row['first_divergence']
        shown['alone_tokens_per_s'] = 1000 / row['alone_tpot_ms'] if row['alone_tpot_ms'] else NONE
        table.append(shown)
    return table


WINDOWS = {'all rows': [0, 1, 2], 'prompt': [0], 'thinking': [1], 'answer': [2]}


def window_rows(session, lane):
    for name, phases in WINDOWS.items():
        rows = session.lane(lane).rows_of(phases)
        if rows:
            yield name, rows


def load(session, given):
    """The window's chart of balance, of every lane and window that was exported."""
    names = ['rows', 'cv', 'cv_floor', 'excess_cv', 'max_violation', 'gini', 'normalised_entropy',
             'auxiliary_product', 'unseen']
    table = []
    for number in lanes_of(given):
        for window, rows in window_rows(session, number):
            for layer in range(session.layers):
                measures = session.balance(rows, layer)
                table.append({'lane': number, 'layer': session.numbers[layer], 'window': window} |
                             {name: measures[name] for name in names})
    return table


def dead(session, given):
    """What stands beside the number of experts that a layer did not use."""
    table = []
    for number in lanes_of(given):
        for layer in range(session.layers):
            measures = session.balance(session.lane(number).rows, layer)
            is_dead = measures['dead'] and measures['unseen'] > 0
            table.append({'lane': number, 'layer': session.numbers[layer],
                          'remark': f'of {session.experts}' + (', dead' if is_dead else '')})
    return table


def lanes_of(given):
    return list(dict.fromkeys(int(row['lane']) for row in given))


def tokens(session, given):
    """Every row of every expert, lane by lane and layer by layer: the inspector's lists, one below the other."""
    table = []
    for number in lanes_of(given):
        for layer in range(session.layers):
            for expert in range(session.experts):
                for row in session.lane(number).rows:
                    ran = row.experts(layer)
                    if expert in ran:
                        table.append({'lane': number, 'which': 'selected', 'layer': session.numbers[layer],
                                      'expert': expert, 'position': row.position, 'id': row.token,
                                      'phase': PHASES[row.phase], 'rank': ran.index(expert) + 1,
                                      'weight': row.gates(layer)[expert]})
    return table


def kinds(session, given):
    """The shares of the phases; those of the kinds of text are left to tests of the kinds."""
    table = []
    for entry in given:
        lane, layer, expert = session.lane(int(entry['lane'])), session.numbers.index(int(entry['layer'])), int(
            entry['selected'])
        phase = PHASES.index(entry['kind'])
        rows = lane.rows_of([phase])
        part = sum(expert in row.experts(layer) for row in rows)
        chance = session.active_in(lane.rows, layer) / session.experts
        table.append({'lane': lane.number, 'layer': session.numbers[layer], 'selected': expert, 'kind': entry['kind'],
                      'rows': part, 'of': len(rows), 'share': part / len(rows) if rows else NONE,
                      'chance': chance if rows else NONE, 'pinned_share': NONE})
    return table


def pairs(session, given):
    table = []
    for lane, layer, expert in dict.fromkeys((e['lane'], e['layer'], e['selected']) for e in given):
        index, rows = session.numbers.index(int(layer)), session.lane(int(lane)).rows
        got = [set(row.experts(index)) for row in rows]
        got = [ran for ran in got if int(expert) in ran]
        chance = max(session.active_in(rows, index) - 1, 0.0) / (session.experts - 1)
        together = {other: sum(other in ran for ran in got) for other in range(session.experts)}
        for other in sorted(together, key=lambda e: -together[e]):
            if other != int(expert) and together[other]:
                table.append({'lane': lane, 'layer': layer, 'selected': expert, 'expert': other,
                              'rows': together[other], 'of': len(got), 'share': together[other] / len(got),
                              'chance': chance, 'pinned_share': NONE})
    return table


def rolling(session, given):
    """Share of the last rows that an expert got: a quarter of them all, from 8 to 32."""
    table = []
    for lane, layer, expert in dict.fromkeys((e['lane'], e['layer'], e['selected']) for e in given):
        index, rows = session.numbers.index(int(layer)), session.lane(int(lane)).rows
        width = min(max(len(rows) // 4, 8), 32)
        got = [int(expert) in row.experts(index) for row in rows]
        even = session.active_in(rows, index) / session.experts
        for end in range(width, len(rows) + 1):
            table.append({'lane': lane, 'layer': layer, 'selected': expert, 'which': 'selected',
                          'position': rows[end - 1].position, 'share': sum(got[end - width:end]) / width,
                          'even_share': even})
    return table


# Columns that say nothing that is counted.
TEXTS = {'forced': {'text'}, 'tokens': {'token', 'class'}}
OF_SESSION = {'comparison': comparison, 'forced': forced, 'balance': balance, 'metrics': metrics}
OF_VIEW = {'load': load, 'dead': dead, 'tokens': tokens, 'kinds': kinds, 'pairs': pairs, 'rolling': rolling}


def close(a, b):
    return abs(a - b) <= 2e-6 * max(abs(a), abs(b)) + 1e-9


def same(expected, text):
    if expected is NONE:
        return text == ''
    if isinstance(expected, str):
        return text == expected
    try:
        return close(float(expected), float(text))
    except ValueError:
        return False


def main():
    session = Session(sys.argv[1])
    differences, checked = [], {}
    for argument in sys.argv[2:]:
        kind, path = argument.split('=', 1)
        with open(path, encoding='utf-8', newline='') as file:
            given = list(csv.DictReader(file))
        expected = OF_SESSION[kind](session, differences) if kind in OF_SESSION else OF_VIEW[kind](session, given)
        checked[kind] = 0
        if len(given) != len(expected):
            differences.append(f'{kind}: {len(given)} rows, expected {len(expected)}')
        for number, (row, wanted) in enumerate(zip(given, expected)):
            for column, text in row.items():
                if column in TEXTS.get(kind, ()):
                    continue
                checked[kind] += 1
                if column not in wanted:
                    differences.append(f'{kind}: nothing recomputes {column}')
                elif not same(wanted[column], text):
                    place = ', '.join(list(row.values())[:4])
                    differences.append(f'{kind}, row {number} ({place}), {column}: {text}, expected {wanted[column]}')
            for column in wanted.keys() - row.keys():
                differences.append(f'{kind}: {column} is missing')
    print(json.dumps({'checked': checked, 'differences': differences[:20], 'count': len(differences)}))


main()

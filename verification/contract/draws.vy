# pragma version ==0.4.3
"""
@title LuxeWin draws
@notice Holds the public steps of the draw protocol `luxewin/draw/v2`: announce, commit, settle.
        The operator announces a raffle's manifest and commits its entries; the drand round follows from the block's
        time, and anyone may settle with that round's signature. Nobody can choose or veto the picks after the commit.
        A draw that is not committed in time has lapsed: it never has a result.
        Should the beacon stop for good, a draw that nobody settles can be declared void, and after a delay is void:
        it then has no result at all. There is never another source of randomness.
@dev Needs the BLS12-381 precompiles of EIP-2537. Points are in their encoding: a coordinate is 64 bytes, big-endian,
     as two words. The scheme is drand's `bls-unchained-g1-rfc9380`.
"""

event Announced:
    manifest_hash: indexed(bytes32)
    raffle: indexed(bytes16)
    sequence: indexed(uint32)
    delay_seconds: uint32
    commit_by: uint40

event Committed:
    manifest_hash: indexed(bytes32)
    commitment: bytes32
    tickets: uint64
    wanted: uint8
    committed_at: uint40
    round: uint64

event Settled:
    manifest_hash: indexed(bytes32)
    round: uint64
    randomness: bytes32
    seed: bytes32
    picks: DynArray[uint256, MAX_PICKS]

event VoidDeclared:
    manifest_hash: indexed(bytes32)
    executable_at: uint40

event Voided:
    manifest_hash: indexed(bytes32)

event OperatorProposed:
    operator: indexed(address)
    proposed: indexed(address)

event OperatorChanged:
    former: indexed(address)
    operator: indexed(address)


struct Draw:
    status: uint256  # 0 unknown, 1 announced, 2 committed, 3 settled, 4 void, 5 lapsed
    raffle: bytes16
    sequence: uint256
    delay_seconds: uint256
    commit_by: uint256
    announced_at: uint256
    committed_at: uint256
    tickets: uint256
    wanted: uint256
    round: uint256
    commitment: bytes32  # from the commit until the settlement
    seed: bytes32  # from the settlement on
    void_at: uint256  # from when on `void` may be called, 0 unless declared

ANNOUNCED: constant(uint256) = 1
COMMITTED: constant(uint256) = 2
SETTLED: constant(uint256) = 3
VOID: constant(uint256) = 4
LAPSED: constant(uint256) = 5  # never stored: it follows from the time

MAX_PICKS: public(constant(uint256)) = 100
# The chance that 100 of 100 tickets need more numbers than this is below 10**-15.
MAX_NUMBERS: constant(uint64) = 4096
MAX_DRAWS: public(constant(uint256)) = 32  # in one call of `settle_many`

MAX_TICKETS: constant(uint256) = 2**53 - 1
# What keeps a block's producer from choosing the round, and an operator from voiding a draw before anyone could settle.
# A development chain need not wait so long.
MIN_DELAY: constant(uint256) = 600
MIN_VOID_AFTER: constant(uint256) = 7 * 24 * 3600
DEVELOPMENT: constant(uint256) = 31337

# `packed`, one word a draw, from the lowest bit: tickets 56, committed_at 40, announced_at 40, commit_by 40,
# sequence 32, delay_seconds 32, wanted 8, status 8.
COMMITTED_AT: constant(uint256) = 56
ANNOUNCED_AT: constant(uint256) = 96
COMMIT_BY: constant(uint256) = 136
SEQUENCE: constant(uint256) = 176
DELAY: constant(uint256) = 208
WANTED: constant(uint256) = 240
STATUS: constant(uint256) = 248
# `raffles`, one word a draw, from the lowest bit: raffle 128, void_at 40.
VOID_AT: constant(uint256) = 128

MODEXP: constant(address) = 0x0000000000000000000000000000000000000005
G1ADD: constant(address) = 0x000000000000000000000000000000000000000b
PAIRING: constant(address) = 0x000000000000000000000000000000000000000F
MAP_FP_TO_G1: constant(address) = 0x0000000000000000000000000000000000000010
# A failing precompile burns all the gas it is given. The cap bounds that; it leaves room for a repricing.
PRECOMPILE_GAS: constant(uint256) = 300_000

# The field's modulus p, and (p - 1) / 2.
P_HIGH: constant(bytes32) = 0x000000000000000000000000000000001a0111ea397fe69a4b1ba7b6434bacd7
P_LOW: constant(bytes32) = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab
HALF_P_HIGH: constant(bytes32) = 0x000000000000000000000000000000000d0088f51cbff34d258dd3db21a5d66b
HALF_P_LOW: constant(bytes32) = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555
MINUS_G2: constant(bytes32[8]) = [
    0x00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051,
    0xc6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8,
    0x0000000000000000000000000000000013e02b6052719f607dacd3a088274f65,
    0x596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e,
    0x000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bc,
    0xb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa,
    0x0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d,
    0x993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed,
]  # the negated generator of G2
# The domain of drand's signatures, and after it its length in a byte: "+" is 43.
DST_PRIME: constant(Bytes[44]) = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_+"

CHAIN_HASH: public(immutable(bytes32))
GENESIS_TIME: public(immutable(uint256))
PERIOD: public(immutable(uint256))
PUBLIC_KEY: immutable(uint256[8])
VOID_AFTER: public(immutable(uint256))  # seconds from the round to the declaration, and from that to the void

operator: public(address)
proposed_operator: public(address)
next_sequence: public(uint256)
# By manifest hash the raffle, and by raffle the rest: so each of both is announced once, for one word more.
raffles: HashMap[bytes32, uint256]
packed: HashMap[bytes16, uint256]
# By manifest hash the commitment, which the seed replaces: the seed binds it, and the event keeps it.
sealed: HashMap[bytes32, bytes32]


@deploy
def __init__(
    public_key: uint256[8],
    genesis_time: uint64,
    period: uint64,
    chain_hash: bytes32,
    known_round: uint64,
    known_signature: uint256[4],
    first_sequence: uint32,
    void_after: uint32,
):
    """
    @notice The deployer becomes the operator. A signature of some known round proves that the key is the beacon's,
            that the scheme is the contract's, and that the chain has the precompiles. The operator's draw numbers go
            on from `first_sequence`, since a contract may follow another one. `void_after` is in seconds, at least
            7 days but on a development chain.
    """
    # With the point at infinity as key, the signature at infinity would pass for every round.
    bits: uint256 = 0
    for word: uint256 in public_key:
        bits |= word
    assert bits != 0, "key is infinity"
    assert period > 0 and genesis_time > 0, "no beacon"
    PUBLIC_KEY = public_key
    GENESIS_TIME = convert(genesis_time, uint256)
    PERIOD = convert(period, uint256)
    CHAIN_HASH = chain_hash
    VOID_AFTER = convert(void_after, uint256)
    assert VOID_AFTER >= PERIOD, "void delay below a period"
    assert VOID_AFTER >= MIN_VOID_AFTER or chain.id == DEVELOPMENT, "void delay below 7 days"
    assert self._signed(public_key, known_round, known_signature), "self-test failed"
    self.operator = msg.sender
    assert first_sequence > 0, "no such sequence"
    self.next_sequence = convert(first_sequence, uint256)


@external
def announce(raffle: bytes16, manifest_hash: bytes32, sequence: uint32, delay_seconds: uint32, commit_by: uint40):
    """
    @notice Binds the operator's next draw number to a raffle and its manifest, before the first sale. Each raffle and
            each manifest is announced once. `commit_by` is the last second, in Unix time, at which it can be committed:
            a draw that is announced after it has lapsed at once, and does not hold up the next number.
    """
    assert msg.sender == self.operator, "not the operator"
    assert raffle != empty(bytes16), "no raffle"
    assert manifest_hash != empty(bytes32), "no manifest"
    assert self.raffles[manifest_hash] == 0, "manifest already announced"
    assert self.packed[raffle] == 0, "raffle already announced"
    number: uint256 = convert(sequence, uint256)
    assert number == self.next_sequence, "not the next sequence"
    delay: uint256 = convert(delay_seconds, uint256)
    assert delay >= PERIOD, "delay below a period"
    assert delay >= MIN_DELAY or chain.id == DEVELOPMENT, "delay below 600 seconds"
    last: uint256 = convert(commit_by, uint256)
    self.next_sequence = number + 1
    self.raffles[manifest_hash] = convert(raffle, uint256)
    self.packed[raffle] = (
        (ANNOUNCED << STATUS)
        | (delay << DELAY)
        | (number << SEQUENCE)
        | (last << COMMIT_BY)
        | (block.timestamp << ANNOUNCED_AT)  # fits into 40 bits for 34,000 years
    )
    log Announced(
        manifest_hash=manifest_hash,
        raffle=raffle,
        sequence=sequence,
        delay_seconds=delay_seconds,
        commit_by=commit_by,
    )


@external
def commit(manifest_hash: bytes32, commitment: bytes32, tickets: uint64, wanted: uint8):
    """
    @notice Commits entries and log, once, in a later second than the announcement and no later than `commit_by`.
            The round is the first that appears no earlier than the announced delay after this block.
    """
    assert msg.sender == self.operator, "not the operator"
    raffle: bytes16 = self._raffle(self.raffles[manifest_hash])
    packed: uint256 = self.packed[raffle]
    assert packed != 0, "not announced"
    assert packed >> STATUS == ANNOUNCED, "already committed"
    assert block.timestamp <= self._time(packed, COMMIT_BY), "lapsed"
    assert block.timestamp > self._time(packed, ANNOUNCED_AT), "too early"
    assert commitment != empty(bytes32), "no commitment"
    total: uint256 = convert(tickets, uint256)
    assert total <= MAX_TICKETS, "too many tickets"
    picks: uint256 = convert(wanted, uint256)
    assert picks > 0 and picks <= MAX_PICKS and picks <= total, "impossible number of picks"
    self.sealed[manifest_hash] = commitment
    # The announcement left these bits zero, but for the status, which becomes 2 instead of 1.
    packed = (packed ^ ((ANNOUNCED ^ COMMITTED) << STATUS)) | (picks << WANTED) | (block.timestamp << COMMITTED_AT) | total
    self.packed[raffle] = packed
    log Committed(
        manifest_hash=manifest_hash,
        commitment=commitment,
        tickets=tickets,
        wanted=wanted,
        committed_at=convert(block.timestamp, uint40),
        round=self._round(packed),
    )


@external
def settle(manifest_hash: bytes32, signature: uint256[4]):
    """
    @notice Draws the picks. Anyone may call it with the beacon's signature of the draw's round, and with no other.
    """
    raffle: bytes16 = self._raffle(self.raffles[manifest_hash])
    packed: uint256 = self._unsettled(raffle)
    round: uint64 = self._round(packed)
    assert self._signed(PUBLIC_KEY, round, signature), "not the signature of the round"
    self._settle(manifest_hash, raffle, packed, round, self._randomness(signature))


@external
def settle_many(manifest_hashes: DynArray[bytes32, MAX_DRAWS], signature: uint256[4]):
    """
    @notice Draws the picks of several draws that share a round, whose signature is verified once. Anyone may call it.
            The hashes ascend, so that none stands twice. A draw that is settled or void by now is passed over:
            who settles one of them first cannot make the others fail.
    """
    round: uint64 = 0
    randomness: bytes32 = empty(bytes32)
    former: uint256 = 0
    for manifest_hash: bytes32 in manifest_hashes:
        assert convert(manifest_hash, uint256) > former, "not in ascending order"
        former = convert(manifest_hash, uint256)
        raffle: bytes16 = self._raffle(self.raffles[manifest_hash])
        packed: uint256 = self.packed[raffle]
        assert packed >> STATUS >= COMMITTED, "not committed"
        if packed >> STATUS != COMMITTED:
            continue
        if round == 0:  # rounds count from 1: this is the first draw that is open
            round = self._round(packed)
            assert self._signed(PUBLIC_KEY, round, signature), "not the signature of the round"
            randomness = self._randomness(signature)
        assert self._round(packed) == round, "not of the same round"
        self._settle(manifest_hash, raffle, packed, round, randomness)
    assert round != 0, "nothing to settle"


@external
def declare_void(manifest_hash: bytes32):
    """
    @notice Says in public that a draw which nobody settled is to be void, since its round never appeared.
    """
    assert msg.sender == self.operator, "not the operator"
    stored: uint256 = self.raffles[manifest_hash]
    round: uint64 = self._round(self._unsettled(self._raffle(stored)))
    assert stored >> VOID_AT == 0, "already declared"
    appears_at: uint256 = GENESIS_TIME + (convert(round, uint256) - 1) * PERIOD
    assert block.timestamp >= appears_at + VOID_AFTER, "too early"
    executable_at: uint40 = convert(block.timestamp + VOID_AFTER, uint40)
    self.raffles[manifest_hash] = stored | (convert(executable_at, uint256) << VOID_AT)
    log VoidDeclared(manifest_hash=manifest_hash, executable_at=executable_at)


@external
def void(manifest_hash: bytes32):
    """
    @notice Ends a declared draw without a result. Until it is called anyone may still settle. Anyone may call it.
    """
    stored: uint256 = self.raffles[manifest_hash]
    raffle: bytes16 = self._raffle(stored)
    packed: uint256 = self._unsettled(raffle)
    executable_at: uint256 = stored >> VOID_AT
    assert executable_at != 0, "not declared"
    assert block.timestamp >= executable_at, "too early"
    self.packed[raffle] = packed ^ ((COMMITTED ^ VOID) << STATUS)
    log Voided(manifest_hash=manifest_hash)


@external
def propose_operator(proposed: address):
    """
    @notice The first of the two steps that hand the operator's role over; the zero address takes a proposal back.
    """
    assert msg.sender == self.operator, "not the operator"
    self.proposed_operator = proposed
    log OperatorProposed(operator=msg.sender, proposed=proposed)


@external
def accept_operator():
    """
    @notice The second step, by the proposed operator.
    """
    assert msg.sender == self.proposed_operator, "not proposed"
    log OperatorChanged(former=self.operator, operator=msg.sender)
    self.operator = msg.sender
    self.proposed_operator = empty(address)


@external
@view
def draws(manifest_hash: bytes32) -> Draw:
    """
    @notice All that is known of a draw at this block's time; a status of 0 means that it was never announced.
    """
    stored: uint256 = self.raffles[manifest_hash]
    raffle: bytes16 = self._raffle(stored)
    packed: uint256 = self.packed[raffle]
    status: uint256 = packed >> STATUS
    if status == ANNOUNCED and block.timestamp > self._time(packed, COMMIT_BY):
        status = LAPSED
    draw: Draw = Draw(
        status=status,
        raffle=raffle,
        sequence=(packed >> SEQUENCE) & convert(max_value(uint32), uint256),
        delay_seconds=self._delay(packed),
        commit_by=self._time(packed, COMMIT_BY),
        announced_at=self._time(packed, ANNOUNCED_AT),
        committed_at=self._time(packed, COMMITTED_AT),
        tickets=self._tickets(packed),
        wanted=self._wanted(packed),
        round=0,
        commitment=empty(bytes32),
        seed=empty(bytes32),
        void_at=stored >> VOID_AT,
    )
    if draw.committed_at != 0:
        draw.round = convert(self._round(packed), uint256)
    if status == SETTLED:
        draw.seed = self.sealed[manifest_hash]
    else:
        draw.commitment = self.sealed[manifest_hash]
    return draw


@external
@view
def picks(manifest_hash: bytes32) -> DynArray[uint256, MAX_PICKS]:
    """
    @notice The picked indices of a settled draw, in order.
    @dev They follow from what is stored, so storing the seed stores them.
    """
    packed: uint256 = self.packed[self._raffle(self.raffles[manifest_hash])]
    assert packed >> STATUS == SETTLED, "not settled"
    return self._picks(self.sealed[manifest_hash], self._tickets(packed), self._wanted(packed))


@external
@view
def verify(round: uint64, signature: uint256[4]) -> bool:
    """
    @notice Whether this is the beacon's signature of the round. Only True is a proof: a caller that gives too little
            gas is told False.
    """
    return self._signed(PUBLIC_KEY, round, signature)


@external
@view
def public_key() -> uint256[8]:
    return PUBLIC_KEY


@internal
@view
def _unsettled(raffle: bytes16) -> uint256:
    """
    @dev What is packed of a draw that is committed, and neither settled nor void.
    """
    packed: uint256 = self.packed[raffle]
    status: uint256 = packed >> STATUS
    assert status >= COMMITTED, "not committed"
    assert status != VOID, "void"
    assert status == COMMITTED, "already settled"
    return packed


@internal
def _settle(manifest_hash: bytes32, raffle: bytes16, packed: uint256, round: uint64, randomness: bytes32):
    """
    @dev For an unsettled draw, once the signature of its round has been verified.
    """
    tickets: uint256 = self._tickets(packed)
    seed: bytes32 = sha256(
        concat(
            b"luxewin/draw/v2",
            CHAIN_HASH,
            convert(round, bytes8),
            randomness,
            manifest_hash,
            self.sealed[manifest_hash],
            convert(convert(tickets, uint64), bytes8),
        )
    )
    self.sealed[manifest_hash] = seed
    self.packed[raffle] = packed ^ ((COMMITTED ^ SETTLED) << STATUS)
    log Settled(
        manifest_hash=manifest_hash,
        round=round,
        randomness=randomness,
        seed=seed,
        picks=self._picks(seed, tickets, self._wanted(packed)),
    )


@internal
@pure
def _raffle(stored: uint256) -> bytes16:
    return convert(convert(stored & convert(max_value(uint128), uint256), uint128), bytes16)


@internal
@pure
def _time(packed: uint256, at: uint256) -> uint256:
    return (packed >> at) & convert(max_value(uint40), uint256)


@internal
@pure
def _delay(packed: uint256) -> uint256:
    return (packed >> DELAY) & convert(max_value(uint32), uint256)


@internal
@pure
def _tickets(packed: uint256) -> uint256:
    return packed & convert(max_value(uint56), uint256)


@internal
@pure
def _wanted(packed: uint256) -> uint256:
    return (packed >> WANTED) & convert(max_value(uint8), uint256)


@internal
@view
def _round(packed: uint256) -> uint64:
    """
    @dev The round that decides a committed draw: it follows from the commit's time, so it need not be stored.
    """
    return self._first_round_at(self._time(packed, COMMITTED_AT) + self._delay(packed))


@internal
@view
def _first_round_at(at: uint256) -> uint64:
    if at <= GENESIS_TIME:
        return 1
    return convert((at - GENESIS_TIME + PERIOD - 1) // PERIOD + 1, uint64)


@internal
@pure
def _picks(seed: bytes32, tickets: uint256, wanted: uint256) -> DynArray[uint256, MAX_PICKS]:
    picks: DynArray[uint256, MAX_PICKS] = []
    seen: uint256 = 0  # the last bytes of the picks, a bit for each
    # The protocol's 2**256 - (2**256 mod N), less one: the limit itself does not fit when N is a power of two.
    last: uint256 = max_value(uint256) - (max_value(uint256) % tickets + 1) % tickets
    for counter: uint64 in range(MAX_NUMBERS):
        number: uint256 = convert(sha256(concat(seed, convert(counter, bytes8))), uint256)
        if number > last:
            continue
        index: uint256 = number % tickets
        # The last byte tells most new indices without a look at all picks; of up to 256 tickets it tells all.
        bit: uint256 = 1 << (index & 255)
        if seen & bit != 0:
            if tickets <= 256 or index in picks:
                continue
        seen |= bit
        picks.append(index)
        if len(picks) == wanted:
            return picks
    raise "picks did not come about"


@internal
@view
def _signed(public_key: uint256[8], round: uint64, signature: uint256[4]) -> bool:
    """
    @dev e(signature, -G2) * e(H(round), key) == 1. The pairing refuses points off the curve or off the subgroup, and
         encodings other than the canonical one, so the signature that passes is unique, and with it the randomness.
    """
    success: bool = False
    output: Bytes[32] = b""
    success, output = raw_call(
        PAIRING,
        abi_encode(signature, MINUS_G2, self._hash_to_g1(round), public_key),
        max_outsize=32,
        gas=PRECOMPILE_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    # Where the precompile does not exist the call succeeds, with an empty output.
    return success and len(output) == 32 and convert(output, uint256) == 1


@internal
@view
def _hash_to_g1(round: uint64) -> uint256[4]:
    """
    @dev hash_to_curve of RFC 9380 (SSWU, random oracle) of SHA-256(u64(round)).
    """
    message: bytes32 = sha256(slice(convert(round, bytes32), 24, 8))
    b0: bytes32 = sha256(
        concat(empty(bytes32), empty(bytes32), message, 0x008000, DST_PRIME)  # 128 bytes are wanted; len(DST) = 0x2b
    )
    b1: bytes32 = sha256(concat(b0, 0x01, DST_PRIME))
    b2: bytes32 = self._next_block(b0, b1, 0x02)
    b3: bytes32 = self._next_block(b0, b2, 0x03)
    b4: bytes32 = self._next_block(b0, b3, 0x04)
    first: uint256[4] = self._map_to_g1(b1, b2)
    second: uint256[4] = self._map_to_g1(b3, b4)
    return abi_decode(
        raw_call(G1ADD, abi_encode(first, second), max_outsize=128, gas=PRECOMPILE_GAS, is_static_call=True),
        uint256[4],
    )


@internal
@pure
def _next_block(b0: bytes32, former: bytes32, number: bytes1) -> bytes32:
    mixed: bytes32 = convert(convert(b0, uint256) ^ convert(former, uint256), bytes32)
    return sha256(concat(mixed, number, DST_PRIME))


@internal
@view
def _map_to_g1(high: bytes32, low: bytes32) -> uint256[4]:
    """
    @dev Maps 64 uniform bytes, reduced modulo p, to G1; modexp with the exponent 1 is the reduction.
    """
    element: Bytes[64] = raw_call(
        MODEXP,
        abi_encode(
            convert(64, uint256),
            convert(32, uint256),
            convert(64, uint256),
            high,
            low,
            convert(1, uint256),
            P_HIGH,
            P_LOW,
        ),
        max_outsize=64,
        gas=PRECOMPILE_GAS,
        is_static_call=True,
    )
    return abi_decode(
        raw_call(MAP_FP_TO_G1, element, max_outsize=128, gas=PRECOMPILE_GAS, is_static_call=True), uint256[4]
    )


@internal
@pure
def _randomness(signature: uint256[4]) -> bytes32:
    """
    @dev SHA-256 of the compressed signature: x with a bit for "compressed", and one for the greater of the two y.
    """
    high: uint256 = signature[0] | (1 << 127)
    half_high: uint256 = convert(HALF_P_HIGH, uint256)
    if signature[2] > half_high or (signature[2] == half_high and signature[3] > convert(HALF_P_LOW, uint256)):
        high |= 1 << 125
    return sha256(concat(slice(convert(high, bytes32), 16, 16), convert(signature[1], bytes32)))

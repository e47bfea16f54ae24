"""Clauses of agreements: what may stand in them, in several wordings, and what people ask about it.

A clause is (name, kinds of document, headings, text). Clauses whose names share the part before the dot exclude each other. The lines of the
text: `$x a|b` is a list from which the slot {x} is drawn; `= ...` is a wording for a list of key terms; `r? ...` are questions that the span
[r:...] answers; `-? ...` are questions that the clause comes near and does not answer; every other line is a wording. {A} and {B} are the
parties as the document calls them, {a} and {b} as people do, <x|y> is a choice. The kinds of document: R residential lease, C commercial
lease, O room, H holiday home, U house rules, E employment, S services, L loan, V vehicle, P house sale, N non-disclosure, I licence, G gym,
Q supply.
"""

CLAUSES = (
    ("premises", "RCO", "Premises|The Property|Object of the lease|Letting", """
    {A} lets to {B} the premises at [p:{street}], with a floor area of <about|approximately> [a:{area}].
    The <property let under this agreement is|premises let under this agreement are> located at [p:{street}]. The floor area is [a:{area}].
    {A} hereby grants and {B} accepts the lease of the premises known as [p:{street}], comprising [a:{area}].
    = Property: [p:{street}] ([a:{area}])
    = Address of the premises: [p:{street}]
    The object of the lease is [p:{street}]. According to the plan attached, it measures [a:{area}]; the cellar is not counted.
    p? Where is the property? What is the address of the place being rented? Which premises are let? What address is this lease for?
    a? How big is the place? What is the floor area? How many square metres or feet does it have? What size are the premises?
    -? How many windows does it have? In which year was the building built? How high are the ceilings? On which floor is the lift?
    """),
    ("use", "R", "Use|Permitted use", """
    $u private dwelling|home for one household|residence
    The premises shall be used [u:solely as a {u}] and [b:no trade or business may be carried on] there.
    {B} must not use the premises other than as [u:a {u}]. <Running|Operating> a business from them [b:is prohibited].
    Permitted use: as [u:a {u}]. Commercial activity of any kind [b:requires {A}'s prior written consent].
    u? What may the premises be used for? What is the permitted use? For what purpose can I use the place?
    b? Can I run a business from there? May I work as a trader from the premises? Is commercial use allowed? Can the tenant open a shop in it?
    """),
    ("rent", "RCO", "Rent|Monthly rent|Payment of rent", """
    {B} shall pay to {A} a monthly <sum|rent> of [r:{rent}], payable in advance on or before [d:the {nth} day of each month].
    The rent amounts to [r:{rent}] per <month|calendar month> and falls due on [d:the {nth} of every month].
    For the use of the premises {A} will receive [r:{rent}] each month. Payment must reach {A} no later than [d:the {nth} of the month].
    Rent is fixed at [r:{rent}] a month. It is to be <transferred|paid> by [d:the {nth} day of the month] without deduction or set-off.
    = Rent: [r:{rent}] per month, due on [d:the {nth} of each month]
    = Monthly rent: [r:{rent}]
    In consideration of the letting, {B} covenants to pay {A} [r:{rent}] per calendar month, the sum being due on [d:the {nth} of each month].
    We agree on [r:{rent}] a month, to be in {A}'s account by [d:the {nth}]. Part months are charged by the day.
    r? How much is the rent? What do I pay per month? What does it cost to live there each month? What is the monthly payment? \
    How much does {b} pay {a} every month?
    d? When is the rent due? By what day of the month must I pay? On which day do I have to pay the rent? Until when does the rent have to arrive?
    -? How much was the rent ten years ago? What was the rent of the previous tenant? How much of the rent goes to the agent?
    """),
    ("increase", "RCO", "Rent review|Rent increase|Adjustment of rent", """
    {A} may increase the rent [o:once every {months}], by giving [n:{noticex} notice] in writing; no increase shall exceed [p:{pct}].
    The rent will be reviewed [o:every {months}]. It may not rise by more than [p:{pct}] and {A} must announce any rise [n:at least {notice} \
    beforehand].
    Adjustments of the rent are permitted [o:at intervals of {months}] and limited to [p:{pct}]. They take effect [n:{notice} after written \
    announcement].
    {A} may raise the rent by [p:no more than {pct}] at a time and only [o:once in {months}]. A letter announcing it must arrive [n:{notice} \
    before it takes effect].
    o? How often can the rent go up? How frequently may {a} raise the rent? When can the rent be reviewed?
    p? By how much can the rent go up? What is the maximum rent increase? Is there a cap on rent rises?
    n? How much warning do I get of a rent increase? How long before must a higher rent be announced? What notice is needed to raise the rent?
    """),
    ("deposit", "RCO", "Deposit|Security deposit|Bond", """
    On signing, {B} shall lodge with {A} a security deposit of [d:{deposit}], which will be returned [r:within {days} of the end of the tenancy], \
    less the cost of [f:damage beyond ordinary wear and tear].
    A deposit of [d:{deposit}] is payable before the keys are handed over. {A} must refund it [r:no later than {days} after {B} moves out]; \
    deductions are allowed only for [f:unpaid rent and repairs].
    As security for all obligations hereunder, {B} furnishes a bond in the amount of [d:{deposit}]. It is released [r:{days} after the premises \
    are vacated] \
    and may be applied to [f:arrears and missing items].
    = Security deposit: [d:{deposit}], refundable [r:within {days} of moving out]
    {B} will leave [d:{deposit}] with {A} as a guarantee. Once [f:any breakages and unpaid bills] have been taken off, the rest is paid back \
    [r:within {days}].
    d? How much is the deposit? How much do I have to leave as security? What is the bond? What must be paid before the keys are handed over?
    r? When do I get my deposit back? How long can {a} keep the deposit after I leave? How soon is the security returned?
    f? What can be deducted from the deposit? For what can {a} withhold money from the deposit? What may the deposit be used for?
    -? What interest does the deposit earn? In which bank is the deposit held? Can the deposit be paid in instalments?
    """),
    ("late", "RCO", "Late payment|Arrears", """
    If rent is not received [g:within {days} of the due date], a late charge of [f:{fine}] will be <added|levied>.
    {B} has [g:a grace period of {days}]. After that, overdue rent attracts a fee of [f:{fine}] for each <reminder|late payment>.
    Rent outstanding [g:for more than {days}] shall carry an administrative charge of [f:{fine}].
    Where payment is [g:more than {days} overdue], {A} is entitled to [f:{fine}] by way of compensation for each month begun.
    f? What happens if I pay the rent late? What is the penalty for late rent? How much is the late fee? What does paying late cost?
    g? How many days late can I be before I am charged? Is there a grace period? When does the late charge start?
    """),
    ("bills.a", "RO", "Utilities|Running costs|Bills", """
    $u heating and water|gas and electricity|water and waste collection
    $v internet|cable television|telephone
    The rent is inclusive of [i:{u}]. Charges for [e:{v}] are borne by [w:{B}].
    {A} meets the cost of [i:{u}] out of the rent, whereas the bill for [e:{v}] <must be paid|is payable> by [w:{B}] direct to the supplier.
    Included in the rent: [i:{u}]. Not included: [e:{v}], for which [w:{B}] must conclude a contract in their own name.
    [w:{B}] must pay for [e:{v}]; the charges for [i:{u}] are already contained in the rent.
    i? Which utilities are included in the rent? What is covered by the rent? Which bills are already in the price?
    e? What do I have to pay on top of the rent? Which bills are not included? What is extra?
    w? Who pays for the {v}? Who has to pay the {v} bill? Whose job is it to pay for {v}?
    -? What does the {v} cost per month? Who reads the meters?
    """),
    ("bills.b", "RC", "Service charge|Operating costs", """
    In addition to the rent, {B} shall pay [m:{small} a month] <towards|on account of> operating costs, which {A} must settle by [s:{dayx} of the \
    following year].
    A service charge of [m:{small} per month] is payable on account. {A} will present the yearly statement not later than [s:{dayx}].
    = Advance on service charges: [m:{small} monthly], statement by [s:{dayx}]
    For heating, lift and caretaker {B} will pay [m:{small} each month] as an advance, to be set off against actual cost by [s:{dayx}].
    The monthly advance on ancillary costs is [m:{small}]; {A} shall account for it until [s:{dayx}] and refund what was paid in excess.
    m? How much is the service charge? What do I pay for running costs? How much are the additional costs per month? What comes on top of the rent?
    s? When do I get the yearly statement? By when must the operating costs be settled? Until when must {a} present the bill for the service charge?
    """),
    ("boiler", "RCO", "Heating|Maintenance of installations", """
    $i heating installation|boiler|air conditioning|central heating system
    Maintenance and repair of the {i} shall be borne by [w:{A}], who will have it serviced [o:once every {months}].
    [w:{A}] is responsible for keeping the {i} in working order and must have it inspected [o:every {months}] by a qualified engineer.
    The {i} is to be serviced [o:at least every {months}] by a certified firm <engaged|appointed> and paid by [w:{B}].
    Should the {i} fail, [w:{A}] must have it put right at once. A check by an engineer is compulsory [o:every {months}].
    w? Who fixes the {i}? Who pays if the {i} breaks? Who has to look after the {i}? Whose responsibility is the {i}?
    o? How often is the {i} serviced? How frequently must the {i} be checked? When does the {i} have to be inspected?
    -? Who made the {i}? How old is the {i}? Which firm installed the {i}?
    """),
    ("repairs", "RCO", "Repairs|Maintenance|Upkeep", """
    Repairs to the [s:structure, roof and outer walls] are the duty of {A}. {B} shall carry out [m:minor repairs costing up to {fine}] at their \
    own expense.
    {A} shall keep in repair the [s:roof, drains and load-bearing walls]; {B} must pay for [m:small repairs not exceeding {fine} each].
    Responsibility for the [s:windows, roof and façade] lies with {A}. [m:Any repair below {fine}] is for {B}'s account.
    It is for {A} to mend [s:the roof, the stairs and the pipes]. [m:Light bulbs, tap washers and similar jobs up to {fine}] fall to {B}.
    s? What does {a} have to repair? Which parts of the building are {a}'s responsibility? What must the owner keep in repair?
    m? Which repairs do I pay for myself? What repairs are my responsibility? Up to which cost do I pay for repairs? What does {b} have to fix?
    """),
    ("damage", "RCOH", "Reporting of defects|Defects", """
    {B} must report <defects|damage> to {A} [w:within {short} of discovery], by [h:<e-mail|telephone|text message>]. \
    If {B} fails to do so, [c:{B} will be liable for any resulting loss].
    Any damage shall be notified [w:within {short}] by [h:<letter|e-mail|calling the caretaker>]; otherwise [c:the cost of consequential damage \
    falls on {B}].
    On noticing a defect, {B} must inform {A} [w:not later than {short} afterwards] through [h:the <online form|tenant portal|house telephone>].
    Please tell us about anything broken [w:within {short}], using [h:<the form in the hall|a message to the caretaker|the house telephone>]. \
    Silence means that [c:you pay for the repair].
    w? How quickly must I report damage? What is the deadline for reporting a defect? When do I have to tell {a} that something is broken?
    h? How do I report a defect? How should damage be reported? In what way must I tell {a} about a broken thing?
    c? What happens if I do not report damage? What if I keep quiet about a defect? What are the consequences of not reporting a defect?
    -? Who pays for a broken window? Which firm does the repairs?
    """),
    ("access", "RCO", "Access|Entry by the Landlord|Inspection", """
    {A} may enter the premises to inspect them after giving [n:at least {shortx} notice], between [t:{span}]. \
    In [e:an emergency such as fire or a burst pipe], no notice is needed.
    Visits by {A} require [n:{shortx} prior notice] and may only take place from [t:{span}], except in [e:cases of imminent danger].
    {B} shall allow {A} and {A}'s agents to view the premises on [n:{shortx} notice], [t:{span}]. [e:Urgent repairs] may be made at any time.
    {A} must not come in unannounced: [n:{shortx} notice] is needed, and visits are made between [t:{span}]. The one exception is [e:a fire, \
    flood or gas leak].
    n? How much warning must {a} give before coming in? When does {a} have to announce a visit? Can {a} just walk in? How long before does a \
    visit have to be announced?
    t? At what hours may {a} visit? During which times can the place be inspected? At what time of day can {a} come?
    e? When can {a} come in without notice? In what case is no announcement needed? What is the exception to the rule about announcing visits?
    """),
    ("alterations", "RCO", "Alterations|Changes to the premises|Structural changes", """
    {B} [m:may not alter the premises without {A}'s written consent]. At the end of the lease [r:the original condition must be restored].
    Structural changes, including <painting in dark colours|new flooring|drilling into tiles>, [m:require the prior written approval of {A}]. \
    Unless agreed otherwise, {B} will [r:remove them on leaving].
    [m:No alterations are permitted] unless {A} has agreed in writing; fixtures added by {B} [r:become the property of {A}] when the lease ends.
    Nothing may be built in, removed or painted [m:unless {A} has agreed to it in writing]. When moving out, {B} must [r:put everything back as \
    it was].
    m? Can I change anything in the flat? May I knock down a wall? Am I allowed to renovate? Can I put up new shelves and walls without asking?
    r? What happens to changes I made when I move out? Do I have to undo my alterations? What becomes of things I built in?
    -? What colour are the walls? Who paid for the last renovation?
    """),
    ("sublet", "RCO", "Subletting|Assignment and subletting|Third parties", """
    The premises [s:may not be sublet], in whole or in part, and [h:short-term letting through online platforms is forbidden].
    {B} may sublet [s:only with {A}'s written consent]. Listing the premises on holiday websites [h:is a ground for immediate termination].
    Subletting is allowed [s:for a single room] provided that {A} is told [w:{days} in advance].
    {B} [s:shall not part with possession of the premises] nor share them with others <for money|for payment>.
    Letting any part of the premises to third parties [s:requires {A}'s permission], requested [w:{days} beforehand]. Offers to tourists [h:are \
    not tolerated].
    s? Can I sublet? May I rent the place out to somebody else? Is subletting allowed? Can I let a friend rent my room?
    h? Can I put it on a holiday rental site? What about short-term lets to tourists? May I rent it to holiday guests?
    w? How early must I announce that I sublet? When does {a} need to know about a subtenant?
    -? How much rent may a subtenant be charged? What is the name of the subtenant?
    """),
    ("pets", "ROHU", "Pets|Animals|Keeping of animals", """
    $p dog|cat
    [p:No pets are permitted] on the premises; [e:guide dogs] are exempt from this rule.
    {B} may keep [p:one {p}], subject to an additional charge of [f:{fine}]; [x:reptiles and poultry] are not allowed.
    Animals are welcome [p:with written permission], which may be withdrawn if [w:neighbours complain]. A cleaning supplement of [f:{fine}] applies.
    [p:Keeping animals other than fish or caged birds is prohibited]. Breaches are charged at [f:{fine}].
    {A}'s [p:approval is required] before any animal moves in. It will be refused for [x:dogs of dangerous breeds]; a yearly fee of [f:{fine}] is \
    charged.
    p? Are pets allowed? Can I have a {p}? May I bring my {p}? Is it OK to keep an animal? What is the rule on pets?
    f? How much does a pet cost extra? What do I pay for having an animal? What is the charge in connection with animals?
    e? Is there an exception to the ban on animals? Which animals are exempt? Which animals may still come in?
    x? Which animals are not allowed? What kinds of pets are forbidden?
    w? Why could permission for a pet be withdrawn? When can I lose the permission to keep a pet?
    -? What vaccinations does a {p} need? How heavy may a {p} be?
    """),
    ("smoking", "ROHUG", "Smoking|No smoking", """
    Smoking is [s:prohibited throughout the <building|premises>]; it is tolerated only [w:on the balcony].
    {B} and visitors may smoke [w:outdoors] but [s:not in any room]. A fine of [f:{fine}] will be charged for violations.
    The premises are [s:strictly non-smoking], e-cigarettes included. Anyone found smoking owes [f:{fine}] for cleaning.
    Lighting up indoors [s:is forbidden]. Ashtrays are provided [w:in the garden]; whoever ignores this pays [f:{fine}].
    s? Is smoking allowed inside? Can I smoke in the rooms? May I light a cigarette indoors?
    w? Where can I smoke? Is there a place where smoking is tolerated? Where do smokers have to go?
    f? What is the fine for smoking? What happens if I smoke inside? How much does it cost if somebody smokes?
    """),
    ("noise", "ROHU", "Noise|Quiet hours|Consideration for neighbours", """
    $i musical instruments|power tools|washing machines
    Quiet hours are to be observed between [q:{night}]. The use of {i} is [i:limited to {two} hours a day].
    [q:From {night}] no noise audible to neighbours may be made; {i} may be used [i:only on working days].
    Residents are entitled to rest between [q:{night}]. Playing or running {i} is allowed [i:for no more than {two} hours daily].
    Please keep your voice and music down from [q:{night}]. {I} may be used until [i:{late}].
    q? When do I have to be quiet? What are the quiet hours? From when to when is noise forbidden at night? When is loud music not allowed?
    i? When may {i} be used? Can I use {i}? What is the rule for {i}?
    -? How many decibels are allowed? What did the neighbours complain about?
    """),
    ("rubbish", "ROHU", "Waste|Rubbish|Refuse", """
    Household waste must be put into the bins [w:<behind the building|in the yard|next to the garage|beside the gate>] and is collected [d:every \
    {weekday}]. \
    Bulky items must be taken to [r:the <municipal dump|recycling centre|council depot>].
    Bins stand [w:<at the rear entrance|in the basement|by the bicycle shed|under the stairs>]; they must be at the kerb by [d:{clock} on \
    {weekday}]. \
    For old furniture and appliances, use [r:the <civic recycling yard|collection point of the city|scrap yard>].
    Rubbish goes to the containers [w:<in the courtyard|on the north side|beside the car park>]. Collection day is [d:{weekday}].
    Sorted waste is picked up on [d:{weekday} mornings]; the bins are found [w:<beside the entrance|in the back yard|under the canopy>]. Take \
    large pieces to [r:the <dump|recycling park>].
    w? Where are the bins? Where do I put the rubbish? Where does household waste go? Where do I take out the trash?
    d? When is rubbish collected? What day is bin day? On which day do the garbage people come? When do the bins have to be ready?
    r? Where do I bring an old sofa? Where can I get rid of an old fridge? Where do bulky items go?
    -? What does collecting the rubbish cost? Who empties the paper bin?
    """),
    ("cleaning", "OHU", "Cleaning|Cleanliness", """
    $k kitchen|stairwell|bathroom
    $l laundry room|hallway|terrace
    The {k} shall be cleaned [k:once a week] by [w:the occupants in turn]; the {l} [l:once a month] by [f:{firm}].
    [w:Each occupant] must clean the {k} [k:after every use]. [f:{firm}] takes care of the {l} [l:every {weekday}].
    Cleaning of the {k} is shared: [w:a rota on the notice board] decides. It is done [k:every {weekday}]. The {l} is looked after by [f:{firm}].
    k? How often is the {k} cleaned? When does the {k} have to be cleaned? When must I clean the {k}?
    l? How often is the {l} cleaned? When is the {l} done?
    w? Who cleans the {k}? Who is responsible for a clean {k}? How is it decided who cleans the {k}?
    f? Who cleans the {l}? Which company looks after the {l}? Who takes care of the {l}?
    -? Who cleans the windows? What does cleaning the {l} cost?
    """),
    ("garden", "RCU", "Garden|Outdoor areas|Grounds", """
    [w:{B}] shall mow the lawn and trim the hedges [o:every {weeks} in summer]; snow must be cleared by [s:{A}] [t:before {early}].
    Care of the garden falls to [w:{B}], who must cut the grass [o:at least every {weeks}]. Clearing snow from the path is a matter for [s:{A}], \
    by [t:{early}].
    Garden work is carried out by [w:{firm}]. In winter, [s:the ground-floor occupants] must sweep snow from the pavement by [t:{early}].
    {A} pays a firm, [w:{firm}], to keep the lawn and beds in order [o:every {weeks}]. Ice and snow are removed by [s:{B}] [t:before {early}].
    w? Who mows the lawn? Who looks after the garden? Who cuts the hedge? Whose task is the gardening?
    o? How often must the grass be cut? How frequently does the lawn need mowing?
    s? Who clears the snow? Who has to shovel snow in winter? Whose job is the snow?
    t? By what time must the snow be gone? Until when in the morning does snow have to be cleared?
    """),
    ("parking", "RCOHU", "Parking|Vehicles", """
    $k bicycles|motorcycles
    Parking space [n:No. {num}] is <assigned to|reserved for> {B} at [f:{small} per month]. {K} must be kept [w:in the <cellar|shed|rack by the \
    door>].
    One vehicle may be parked in [n:bay {num}], for [f:{small} a month]; visitors' cars [v:must park on the street].
    Vehicles are to be left only in [n:space {num}]. [v:Guests may park for up to {two} hours] on the forecourt. {K} belong [w:in the \
    <basement|bike room|rear yard>].
    n? Where can I park? Which parking space is mine? What is the number of the parking space?
    f? What does parking cost? How much is the parking space?
    w? Where do I leave my bike? Where should {k} be kept?
    v? Where can my visitors park? Can my guests park there? What is the rule for visitors' cars?
    -? Is there a charger for electric cars? How high is the garage entrance?
    """),
    ("keys", "RCOH", "Keys|Keys and locks", """
    {B} will receive [n:{two} sets of keys]. If one is lost, [c:the lock will be replaced at {B}'s expense], which costs [f:{fine}].
    [n:{Two} keys] are handed over; copies may be made [o:only with permission]. For a lost key {B} shall pay [f:{fine}].
    At the start {A} shall hand {B} [n:{two} front-door keys]. Loss must be reported at once, since [c:all locks have to be changed]; a charge of \
    [f:{fine}] applies.
    On the first day {B} gets [n:{two} keys], numbered and listed. {B} [o:shall not have more made]. Replacing one that is lost costs [f:{fine}].
    n? How many keys do I get? How many sets of keys are handed over?
    c? What happens if I lose a key? What if my key goes missing?
    f? What does a lost key cost? How much do I pay for losing a key?
    o? Can I have a copy of the key made? May I get more keys cut?
    -? Who made the keys? Where are the spare keys kept?
    """),
    ("occupants", "ROH", "Occupants|Guests and visitors|Number of persons", """
    The premises may be occupied by [m:no more than {few} persons]. Overnight visitors may stay [v:up to {few2} nights].
    [m:A maximum of {few} people] may live there. Guests are welcome for [v:{few2} nights in a row], after which [c:{A}'s consent is needed].
    Occupancy is limited to [m:{few} persons]; friends may sleep over [v:for at most {few2} nights a month].
    No more than [m:{few} persons] may stay overnight. Visitors can be put up for [v:{few2} nights]; if they stay longer, [c:the price goes up].
    m? How many people can live there? How many persons are allowed to stay? What is the maximum number of occupants?
    v? How long can my friends stay over? For how many nights may a visitor sleep there? Can my girlfriend stay for a week?
    c? What is required if a guest stays longer? What do I need when visitors stay on?
    -? How many beds are there? What are the names of the other residents?
    """),
    ("inventory", "ROH", "Inventory|Furniture|Furnishings", """
    $f wardrobe|sofa|oak table|bookcase|desk
    $g washing machine|fridge|microwave oven|dishwasher
    The place is let <furnished|with furniture>: the {f} belongs to [f:{A}] and the {g} to [g:{owner}].
    [g:{owner}] owns the {g}, which may be used freely. The {f} remains the property of [f:{A}] and must [m:not be moved outside].
    Among the furnishings, the {f} is owned by [f:{A}] and the {g} by [g:{owner}]. The {f} [m:may not be lent to anyone].
    The list attached names [f:{A}] as owner of the {f}; the {g} is on loan from [g:{owner}].
    f? Who owns the {f}? Whose {f} is it? To whom does the {f} belong?
    g? Who owns the {g}? Whose is the {g}? Who does the {g} belong to?
    m? What may not be done with the {f}? Can I put the {f} on the terrace?
    """),
    ("insurance.lease", "RCO", "Insurance", """
    [b:{A}] shall insure the building against [r:fire, storm and flood]; insuring the contents is [c:{B}'s own responsibility].
    Buildings insurance is taken out by [b:{A}] and covers [r:fire and escape of water]. For household contents cover, [c:{B} must make arrangements].
    {B} shall hold liability insurance of at least [l:{cap}] and show the policy [w:before moving in]. The building itself is insured by [b:{A}].
    {B} must take out liability cover of [l:{cap}] [w:before the keys are handed over]. Insurance of the building against [r:fire and hail] is a \
    matter for [b:{A}].
    b? Who insures the building? Who pays for buildings insurance? Who has to take out cover for the house?
    r? Against what is the building insured? What risks are covered?
    c? Who has to insure my belongings? Who insures the contents? Who takes care of insurance for furniture?
    l? How much liability cover is needed? For what amount must I be insured?
    w? When must I show the insurance policy? By when does proof of insurance have to be shown?
    -? Which company is the building insured with? How much is the excess of the insurance?
    """),
    ("handover", "RCO", "Handover|Condition on return|Vacating", """
    On leaving, {B} shall return the premises [c:swept clean and empty] by [t:{clock} on the last day]. A joint inspection will be recorded in \
    writing.
    The premises must be given back [c:in the state in which they were received], all keys included, not later than [t:{clock} on the final day]. \
    If anything is left behind, [l:{A} may dispose of it].
    When the lease ends the rooms are to be handed back [c:freshly painted in white], at [t:{clock} on the last working day].
    The last day ends at [t:{clock}]. By then everything must be [c:emptied, cleaned and free of holes in the walls]. For things left behind, \
    [l:a storage charge is due].
    c? In what condition must I leave the place? How must the premises be returned? What state does it have to be in when I move out?
    t? At what time do I have to be out? When on the last day is the handover? By what hour must the place be empty?
    l? What happens to things I leave behind? What if I forget some furniture?
    """),
    ("term.lease", "RCO", "Term|Duration|Lease period", """
    The lease begins on [s:{date1}] and runs for [l:{long}]. Thereafter it is [r:renewed by {months} at a time] unless a party objects.
    This tenancy commences on [s:{date1}] for a fixed period of [l:{long}]; it [r:ends automatically without notice].
    Moving in: [s:{date1}]. The lease is concluded for [l:{long}] and may be [r:extended by written agreement].
    = Start of lease: [s:{date1}]; term: [l:{long}]
    {B} may move in on [s:{date1}]. The contract has a term of [l:{long}], at the end of which it [r:continues from month to month].
    s? When does the lease start? From what date can I move in? When do I get the place? On what day does the tenancy begin?
    l? How long is the lease? For how long am I bound? How long does the rental last? What is the duration of the contract?
    r? What happens when the term is over? Is the lease renewed? How is the lease extended?
    -? Who lived there before? When was the previous lease signed?
    """),
    ("end.lease", "RCO", "Termination|Notice|Ending the lease", """
    {B} may terminate by giving [b:{noticex} written notice]; {A} must give [a:{noticex2} notice] and state [r:a legitimate reason].
    For {A} the period of notice is [a:{notice2}], for {B} [b:{notice}]. Notice is valid only [f:by registered letter].
    The lease may be ended by {B} with [b:{noticex} notice] and by {A} with [a:{noticex2} notice], in each case [f:in writing].
    Should {A} wish to recover possession, [a:{noticex2} notice] shall be given. {B} can leave on [b:{noticex} notice] [e:to the end of any month].
    b? How much notice do I have to give to move out? What is my notice period? How long before leaving must {b} give notice?
    a? How much notice must {a} give me? How long in advance can {a} end the lease? If {a} wants me out, what is the notice?
    f? In what form must notice be given? How do I have to send my notice? Can I cancel by phone?
    r? What does {a} need in order to give notice?
    e? To which day can I give notice? When in the month does the lease end?
    -? How much compensation do I get if I leave early? Can the lease be ended because of illness?
    """),
    ("default.lease", "RC", "Default|Termination for cause", """
    {A} may end the lease without notice if [c:the rent is unpaid for {months}] or {B} causes serious damage.
    Immediate termination is open to {A} where [c:{B} owes {months} of rent]. The amount owed will bear interest at [i:{pct}].
    In the event that [c:arrears exceed {rent}], {A} can require {B} to [w:leave within {days}].
    If [c:two rents running are unpaid], {A} may terminate at once; {B} must then be gone [w:within {days}]. Arrears carry [i:{pct}] interest.
    c? When can I be evicted? For what reason can {a} end the lease at once? How much rent has to be owed before I can be thrown out?
    i? What interest do I pay on unpaid rent? At what rate do arrears bear interest?
    w? How much time would I have to leave? If evicted, how long do I have?
    """),
    ("fitout", "C", "Fit-out|Signage", """
    {B} may put up [s:one sign above the entrance], measuring at most [z:{size}]. Fit-out works must be finished by [d:{date2}].
    A rent-free period of [f:{months}] is granted for fit-out, to be completed by [d:{date2}]. [s:A sign on the façade] may be installed with \
    approval.
    {B} shall complete all works before [d:{date2}] and is free of rent for the first [f:{months}]. Lettering is allowed [s:on the shop window only].
    [s:One illuminated sign] of up to [z:{size}] is allowed over the door; building works must end by [d:{date2}].
    s? What signs can I put up? Can my shop have a sign? Is advertising on the building allowed?
    z? How big can the sign be? What is the maximum size of the sign?
    d? When must the fit-out be finished? What is the deadline for the works?
    f? How long is the rent-free period? For how long do I pay no rent? Is there a time without rent?
    """),
    ("turnover", "C", "Turnover rent|Opening hours", """
    If yearly turnover exceeds [t:{cap}], {B} shall pay [p:{pct}] of the excess as additional rent. The shop must be open [h:on <six|five|seven> \
    days a week].
    Additional rent of [p:{pct}] is due on sales above [t:{cap}]. Figures must be reported by [r:{dayx} each year].
    {B} must keep the premises open [h:at least {wdays} days a week] and send in the sales figures by [r:{dayx}]. Over [t:{cap}], {A} takes \
    [p:{pct}] of sales.
    p? What share of sales goes to {a}? What percentage of turnover is paid as extra rent?
    t? From which turnover do I pay more rent? Above what sales is additional rent due?
    h? On how many days must the shop be open? When does the shop have to open?
    r? When must the sales figures be reported? By when does {a} need the turnover?
    """),
    ("booking", "H", "Booking|Reservation and payment", """
    The total price of the stay is [t:{rent}]. [d:{share} of the price] is payable on booking and the balance [b:{weeks} before arrival].
    {B} shall pay [t:{rent}] for the stay: a first instalment of [d:{fine}] at once and the rest [b:no later than {days} before arrival].
    For the period booked the charge comes to [t:{rent}], cleaning [c:included]; a prepayment of [d:{share}] secures the booking.
    To confirm the booking, [d:{share}] of the total, which is [t:{rent}], must be transferred. The remainder is due [b:{days} before you come].
    t? What does the holiday home cost? How much is the stay in total? What is the full price?
    d? How much do I have to pay when booking? What is the down payment? What share is paid in advance?
    b? When do I pay the rest? When is the balance due? By when must the remaining amount be paid?
    c? Does cleaning cost extra? Is final cleaning in the price?
    -? What is the tourist tax? How much is the security deposit for the house?
    """),
    ("stay", "H", "Arrival and departure|Your stay|Dates", """
    The stay begins on [f:{arr}] and ends on [u:{dep}]. Check-in is possible from [i:{pm}], and rooms must be vacated by [o:{am}].
    Arrival: [f:{arr}], [i:after {pm}]. Departure: [u:{dep}], [o:not later than {am}]. A late check-out costs [l:{small}].
    {B} may move in on [f:{arr}] at [i:{pm} or later] and must leave [o:before {am}] on [u:{dep}].
    The house is yours from [f:{arr}] to [u:{dep}]. On the first day come [i:after {pm}]; on the last, please be gone by [o:{am}]. Staying longer \
    costs [l:{small} an hour].
    f? When does the holiday start? What day do I arrive? From which date is the house booked?
    u? When do I leave? What is the departure date? Until which day is it booked?
    i? When can I check in? How early may I arrive on the day? From what time is the house ready?
    o? At what time is check-out? How late can I stay on the last day? When must the rooms be empty?
    l? What does a late check-out cost? How much is it if I leave later?
    -? How do I get from the station to the house? Is there a bus to the house?
    """),
    ("cancel.h", "H", "Cancellation", """
    $p {share}|half
    Guests who cancel [f:more than {days} before arrival] receive a full refund; later, [h:{p} of the price is kept]. \
    In case of no-show, [n:nothing is refunded].
    Cancellation is free of charge [f:up to {days} before arrival]. Thereafter [h:{p} of the price is due], and [n:the full price on the day of \
    arrival].
    Up to when may one withdraw? Free of charge until [f:{days} before the stay]; after that {A} will retain [h:{p} of the amount].
    f? Until when can I cancel for free? How early do I have to cancel to get all my money back? What is the deadline for free cancellation?
    h? What do I pay if I cancel too late? How much is lost with a late cancellation?
    n? What happens if I just do not turn up? What if I cancel on the day itself?
    """),
    ("amenities", "HU", "Facilities|Shared facilities", """
    $x sauna|pool|roof terrace|fitness room
    $y barbecue|guest kitchen|workshop|children's playroom
    The {x} is open from [x:{span}] and the {y} until [y:{late}]. Children under [c:{teen}] must be accompanied by an adult.
    {B} may use the {x} between [x:{span}]. The {y} is available until [y:{late}] and costs [f:{small} per use].
    Opening hours: {x} [x:{span}], {y} [y:daily until {late}]. The {x} can be booked [b:with the caretaker].
    From [x:{span}] the {x} is open to all; those under [c:{teen}] must bring an adult. The {y} closes at [y:{late}] and is let for [f:{small}].
    x? When is the {x} open? At what times can I use the {x}? What are the hours of the {x}?
    y? Until when can I use the {y}? How late is the {y} open? When does the {y} close?
    c? Below what age do children need an adult? How old must a child be to go alone?
    f? What does the {y} cost? How much is it to use the {y}?
    b? Who do I ask to book the {x}? Where can the {x} be booked?
    -? How deep is the {x}? Is there a towel service at the {x}? What does it cost to rent a bicycle?
    """),
    ("laundry", "OU", "Laundry|Drying room", """
    Washing machines may be run from [t:{span}], [s:not on Sundays]. [w:The drying room] is the only place for hanging laundry; tokens cost \
    [c:{small}].
    Laundry is done between [t:{span}]. Clothes must not be hung [n:on balconies facing the street]; use [w:the attic].
    Each flat may use the laundry from [t:{span}]; on Sundays [s:the room is locked]. A wash costs [c:{small}]. Wet clothes go on the lines [w:in \
    the yard].
    Use of the washing machine: [t:{span}], at [c:{small} a load]. [s:Sunday washing is not permitted]. Nothing may be hung [n:out of the windows].
    t? When can I do my washing? At what times may the washing machine run?
    s? Can I do laundry on Sunday? On which day is washing not allowed?
    w? Where do I dry my clothes? Where can laundry be hung up?
    n? Where must washing not be hung? Can I dry clothes on the balcony?
    c? How much is a token? What do I pay for the washing machine?
    """),
    ("balcony", "RU", "Balconies and barbecues", """
    Barbecuing on balconies is allowed [b:with electric grills only], until [t:{late}]. Flower boxes must hang [f:on the inside of the railing].
    [b:Charcoal grills are forbidden] on balconies. Satellite dishes [s:need the written approval of {A}].
    Grilling is permitted [b:twice a month] and must end by [t:{late}]. Plants belong [f:on the floor, not on the wall].
    Satellite dishes [s:are not allowed]. As for barbecues, [b:only gas may be used], and the fire must be out at [t:{late}].
    b? Can I have a barbecue on the balcony? Is grilling allowed? What kind of grill may I use?
    t? Until when may I grill? How late can a barbecue go on?
    f? Where do flower boxes go? How should I hang plants?
    s? Can I put up a satellite dish? What about a dish on the balcony?
    """),
    ("moving", "U", "Moving|Lift", """
    Moves are permitted [t:on weekdays between {span}] and must be announced [n:{days} ahead] to [w:{person}]. The lift carries [l:at most {kg}].
    Anyone moving in or out must inform [w:{person}] [n:{days} beforehand]. The lift takes [l:up to {kg}] and [p:must be lined with blankets].
    Furniture may be carried between [t:{span}] only, after [w:{person}] has been told [n:{days} before]. Do not load the lift with [l:more than \
    {kg}].
    t? When can I move my furniture in? At what times are moves permitted?
    n? How early must a move be announced? How long in advance must I say that I am moving?
    w? Who needs to know that I move? Who do I tell about moving out?
    l? How much weight can the lift carry? What is the limit of the elevator?
    p? How should the lift be protected? What has to be done with the lift in a move?
    """),
    ("contact", "UHO", "Contacts|Emergencies|Who to call", """
    In an emergency call [e:{phone1}]. For everyday matters, the caretaker [c:{person}] can be reached [t:{weekday}s from {span}] on [n:{phone2}].
    [c:{person}] looks after the building and is available [t:every {weekday} between {span}], telephone [n:{phone2}]. Outside these hours dial \
    [e:{phone1}].
    Your first address is the caretaker, [c:{person}], on duty on [t:{weekday}s from {span}] (telephone [n:{phone2}]). When life or property is \
    in danger, ring [e:{phone1}].
    e? What number do I call in an emergency? Which number is for emergencies outside of hours? Where do I ring when a pipe bursts at night?
    c? Who is the caretaker? Who looks after the building? What is the name of the person in charge of the house?
    t? When is the caretaker there? At what times can I reach the caretaker?
    n? What is the caretaker's number? How do I reach the caretaker by phone?
    -? What is the caretaker's e-mail address? How long has the caretaker worked there?
    """),
    ("fire", "UCG", "Fire safety|Escape routes", """
    [c:Stairwells and corridors] must be kept clear. In case of fire, gather [g:<at the front gate|in the car park|on the lawn>]; \
    smoke detectors are tested [d:every {months}] by [w:{firm}].
    Nothing may be stored [c:in hallways or on landings]. The assembly point is [g:<beside the bus stop|in the courtyard|across the street>]. \
    [w:{firm}] inspects the extinguishers [d:once every {months}].
    [c:Escape routes] are to be left free at all times. If the alarm sounds, everyone meets [g:<at the flagpole|by the main gate|on the football \
    field>]. Alarms are inspected [d:every {months}], by [w:{firm}].
    c? Where may nothing be stored? What must stay clear? Can I leave a pram in the stairwell?
    g? Where do we meet if there is a fire? Where is the assembly point?
    d? How often is the fire equipment checked? When are inspections of fire safety made?
    w? Who checks the fire equipment? Which firm does the fire inspections?
    """),
    ("fine", "U", "Breach of the rules|Sanctions", """
    A first breach leads to [f:a written warning], a second to [s:a fine of {fine}]. Appeals go to [w:the residents' committee] [d:within {days}].
    Those who break these rules will receive [f:a warning]. If it happens again, [s:{fine} will be charged]; objections may be lodged [d:within \
    {days}] with [w:{person}].
    Whoever disregards these rules gets [f:a letter] the first time and must pay [s:{fine}] the next. Complaints can be sent to [w:{person}] \
    [d:within {days}].
    f? What happens the first time I break a rule? What is the consequence of a first breach?
    s? What happens if I break the rules again? What is the penalty for a second breach?
    w? Who do I appeal to? Where do objections go?
    d? How long do I have to object? What is the time limit for an appeal?
    """),
    ("viewing", "RO", "Viewings|New tenants", """
    $x lift|terrace|cellar|attic
    During the last [p:{weeks}], {A} may show the rooms to others [h:{weekday}s from {span}]. The {x} [x:may be used jointly with the neighbours].
    {B} must allow viewings on [h:{weekday}s between {span}] once notice is given. Use of the {x} [x:is not part of this lease].
    In the final [p:{weeks}] of the term, people interested in the rooms may be shown round on [h:{weekday}s from {span}]. The {x} [x:is for \
    {A}'s use alone].
    h? When may the place be shown to new tenants? At what times are viewings?
    p? For how long before the end can viewings be held?
    x? Can I use the {x}? What is the rule about the {x}?
    """),
    ("meals", "OH", "Kitchen and meals|Breakfast", """
    Breakfast is served from [t:{am2}] in [w:the <garden room|dining room|conservatory>] and costs [c:{small} per person]. A vegetarian option \
    must be ordered [o:the evening before].
    {B} may use the kitchen until [k:{late}]; one shelf in the fridge, [s:the <top|bottom|middle> one], is reserved. Breakfast, for [c:{small}], \
    is available from [t:{am2}].
    From [t:{am2}] there is breakfast in [w:the <lounge|winter garden|big kitchen>] ([c:{small}]). Cooking is possible until [k:{late}]; in the \
    fridge, [s:the <lower|upper> shelf] is free.
    t? When is breakfast? From what time do I get breakfast?
    w? Where is breakfast served?
    c? What does breakfast cost? How much is breakfast?
    o? When must I order a vegetarian breakfast?
    k? Until when can I use the kitchen? How late can I cook?
    s? Which shelf of the fridge is mine?
    """),
    ("wifi", "OHU", "Internet", """
    The network is called [n:{word}-{num}] and the password is [p:{code}]. Downloading [x:copyrighted films] is prohibited.
    {A} provides internet access. Network: [n:{word}{num}]; key: [p:{code}]. In case of trouble, ring [t:{phone2}].
    Log in to [n:{word}_{num}] with the key [p:{code}]. It is forbidden to download [x:films and music]; for faults call [t:{phone2}].
    n? What is the name of the network? Which wifi do I use?
    p? What is the wifi password? How do I get into the internet? What is the key of the network?
    x? What must I not download?
    t? Who do I ring if the internet is down? What number do I call for internet trouble?
    -? How fast is the internet? Who is the internet provider?
    """),
    ("payment.home", "RCO", "Method of payment|Bank details", """
    All payments are to be made [h:by standing order] to account [k:{iban}] in the name of [n:{person}]. Cash [c:is not accepted].
    Money must be sent [h:by bank transfer] to [n:{person}], account number [k:{iban}]. A receipt for cash is issued [c:on request only].
    {B} shall pay [h:by direct debit]; the account to be credited is [k:{iban}], held by [n:{person}].
    h? How do I have to pay the rent? In what way are payments made? What method of payment is used?
    k? What is the account number? To which account do I send the rent? What is the IBAN?
    n? In whose name is the account? Who holds the bank account?
    c? Can I pay the rent in cash? Is cash accepted?
    """),
    ("guarantor", "RO", "Guarantor", """
    [g:{person}], [r:{rel}] of {B}, guarantees all payments [m:up to {deposit}]. The guarantee ends on [e:{date2}].
    As guarantor, [g:{person}] ([r:{rel}]) is liable alongside {B}, but [m:for no more than {deposit}] and only until [e:{date2}].
    The obligations of {B} are backed by [g:{person}], who is [r:{rel}]; the guarantee is limited to [m:{deposit}].
    g? Who is the guarantor? Who pays if I can't? Who guarantees the rent?
    r? How is the guarantor related to the tenant? What is the guarantor's relation to me?
    m? Up to what sum does the guarantor pay? How much does the guarantee cover?
    e? When does the guarantee end? Until when is the guarantor liable?
    """),
    ("storage", "RU", "Cellar and attic|Storage", """
    Each flat has [c:one cellar compartment, marked {num}]. Storing [f:petrol, paint or gas bottles] there is forbidden; [a:the attic] is \
    reserved for [d:drying clothes].
    Belongings may be kept in [c:compartment {num} of the basement]. [f:Flammable goods] must not be stored. The attic is used for [d:communal \
    events].
    c? Where can I store my things? Which cellar compartment is mine? Is there storage space?
    f? What may not be kept in the cellar? What is it forbidden to store?
    d? What is the attic for? What is the attic used for?
    a? Which room is reserved?
    """),
    ("windows", "ROHU", "Airing and heating|Mould", """
    To avoid mould, rooms must be aired for [t:{mins} a day], and kept at [d:{deg} or more] in winter. Windows must be shut [s:during storms and \
    absence].
    {B} must open the windows [t:{three} times a day] and heat to [d:no less than {deg}]. [w:Water taps must be turned off at the mains] before \
    long absences.
    t? How often or long must I air the rooms? How do I prevent mould? How much airing is required?
    d? How warm must the rooms be kept? What is the minimum temperature? To what temperature must I heat?
    s? When must the windows be closed?
    w? What must I do with the water when I go away? What do I have to do before being away for long?
    """),
    ("children", "UH", "Playground|Children", """
    The playground may be used until [t:{late}] by children [a:up to {teen} years]. Ball games [b:are not allowed on the lawn]; [s:parents] are \
    answerable for damage.
    Children may play [w:in the rear yard] until [t:{late}]. Football [b:is permitted behind the garages only]. For broken windows, [s:the \
    parents] must pay.
    t? Until when may children play? How late is the playground open?
    a? Up to what age can children use the playground?
    b? Can the children play football? Where are ball games allowed? Are ball games allowed?
    s? Who pays if a child breaks something? Who is liable for damage done by children?
    w? Where can children play?
    """),
    ("shoes", "OH", "On arrival|House manners", """
    Shoes are to be taken off [s:at the front door]. The {A!} guest book lies [b:on the shelf in the hall]. Firewood costs [f:{small} a basket]; \
    candles [c:are not allowed in the bedrooms].
    Please leave your shoes [s:in the porch]. Firewood is found [w:<in the barn|behind the house|under the stairs>] and costs [f:{small}] per \
    load. Candles [c:may be lit in the kitchen only].
    s? Where do I leave my shoes? Where should shoes be taken off?
    b? Where is the guest book?
    f? What does firewood cost? How much is wood for the stove?
    w? Where is the firewood?
    c? Can I light candles? What is the rule about candles?
    """),
)

GENERAL = (
    ("force", "SQIHCG", "Force majeure", """
    Neither party is liable for failures caused by [e:war, strikes or floods]. The other side must be told [w:within {short}]. \
    After [t:{weeks}] of standstill either [c:can withdraw].
    Events beyond control, such as [e:epidemics and natural disasters], suspend all duties. If they last [t:more than {months}], [c:the contract \
    may be ended].
    Should [e:an earthquake, a blockade or a pandemic] prevent performance, this must be reported [w:within {short}]; when [t:{months}] have \
    passed, [c:each side may terminate].
    e? What counts as force majeure? For which events is nobody liable? What excuses a party from performing?
    w? How soon must force majeure be reported?
    t? How long must it last before the contract can be ended? When may one get out because of force majeure?
    c? What can be done if it goes on for too long?
    """),
    ("disputes", "RCSQINLVPE", "Disputes|Governing law and jurisdiction|Applicable law", """
    This agreement is governed by [l:the law of {country}]. Disputes shall be settled by [c:the courts of {city}], after [m:an attempt at mediation].
    [l:{National} law] applies. Any dispute will be referred to [c:arbitration in {city}], conducted in [s:{lang}].
    [l:The laws of {country}] govern this contract, and [c:the courts at {city}] have exclusive jurisdiction.
    Should the parties fall out, they will first [m:meet in person]; then [c:the courts of {city}] decide, under [l:the law of {country}].
    l? Which law applies? What is the governing law? The law of which country counts?
    c? Which court is responsible? Where are disputes settled? Where can I sue? Where would a case be heard?
    m? What must be tried before court? What comes first in a dispute?
    s? In what language is the arbitration? What is the language of proceedings?
    -? Is there a right of appeal? Who would be the judge? Has there been a lawsuit before? How long does the procedure take? How much do the \
    proceedings cost? Who pays the lawyers in a dispute?
    """),
    ("form", "RCSQINLVPEG", "Amendments|Final provisions|Written form", """
    Changes to this agreement are valid only [f:in writing and signed by both parties]. If a clause is void, [s:the rest remains in force].
    Amendments [f:must be made in writing]. Oral side agreements [o:do not exist]. This document is made in [n:{two} copies].
    No change takes effect unless [f:both parties sign it]. [n:{Two} originals] have been drawn up.
    What is not written here does not count: oral promises [o:are not binding], and additions need [f:the signature of both sides]. Each side \
    keeps one of [n:{two} copies].
    f? How can the contract be changed? What is needed to change the agreement? Is an oral change valid?
    s? What happens if a clause is invalid?
    o? Are there oral agreements? Has anything been agreed by word of mouth?
    n? How many copies are there? How many originals were made?
    -? Who drafted the contract? Was a lawyer consulted? What did the first version of the contract say?
    """),
    ("notices", "CSQINLP", "Notices|Communication", """
    Notices to {A} are sent to [a:{email}], those to {B} to [b:{email2}], and count as received [w:after {short}].
    Written communications for {A} shall go to [a:{street}]; {B} is to be addressed at [b:{email2}]. They are effective [w:{days} after posting].
    Letters meant for {A} go to [a:{street}]; {B} can be reached at [b:{street2}]. A letter is taken to have arrived [w:{days} after it was posted].
    a? Where do I send a notice to {a}? What address does {a} have for letters and notices?
    b? Where do I send a notice to {b}? At which address does {b} get notices?
    w? When does a notice count as received? When does a notice take effect?
    -? What is {a}'s telephone number? What is {b}'s fax number?
    """),
    ("withdraw", "GLS", "Right of withdrawal", """
    {B} may withdraw from this contract [t:within {days} of signing], without giving reasons, [h:by a letter to {A}]. Money paid is returned \
    [r:within {weeks}].
    There is a cooling-off period of [t:{days}]. To use it, {B} need only [h:send an e-mail to {email}]; payments are refunded [r:not later than \
    {weeks} afterwards].
    {B} can change their mind [t:within {days}] simply by [h:returning the form attached]; what has been paid comes back in [r:{weeks}].
    t? How long can I change my mind? What is the cooling-off period? Until when can I withdraw after signing?
    h? How do I withdraw? What do I have to do to back out?
    r? When do I get my money back if I withdraw?
    """),
    ("renew.fee", "QIG", "Price changes", """
    {A} can raise prices [o:once a year], by [p:{pct}] at most, and must announce this [n:{notice} beforehand]. {B} may then [x:cancel without \
    notice].
    Price increases are announced [n:{notice} in advance] and limited to [p:{pct}]; in reply {B} can [x:end the contract early].
    Prices may go up [o:each January], though by no more than [p:{pct}]; {A} will write [n:{notice} before], and {B} may [x:leave on that date].
    p? How much can prices rise? By how much may {a} raise the price?
    n? How early must a price rise be announced? When do I hear about higher prices?
    x? What can I do if the price goes up? What right do I have when prices rise?
    o? How often can the price go up?
    """),
    ("taxes", "CSLQ", "Taxes", """
    $t stamp duty|withholding tax|registration tax
    The {t} is borne by [t:{party}]; value added tax of [v:{vat}] [w:is added to every invoice].
    [t:{party}] shall pay the {t}. All sums [w:exclude value added tax], currently [v:{vat}].
    As regards {t}, it is owed by [t:{party}]. The amounts stated [w:do not contain value added tax] ([v:{vat}]).
    t? Who pays the {t}? Who bears the {t}? Who has to pay {t}?
    v? How high is the VAT? What rate of value added tax applies?
    w? Are prices with or without VAT? Is value added tax included?
    """),
    ("option", "CI", "Option|Right of first refusal", """
    {B} has an option to extend by [e:{years}], to be exercised [w:{notice} before the end]. If the property or work is sold, {B} has [f:a right \
    of first refusal].
    {B} can prolong the agreement once, for [e:{years}], by notice given [w:no later than {date2}].
    By telling {A} [w:{notice} before the term ends], {B} may add [e:another {years}]. Before selling to others, {A} must give {B} [f:the first \
    offer].
    e? By how long can it be extended? How long is the option?
    w? When must the option be used? What is the deadline for the option?
    f? What right does {b} have in case of a sale?
    """),
    ("defs", "RCSQINLPE", "Definitions|Interpretation", """
    In this agreement, "Working Day" means [w:any day from Monday to {fri}, except public holidays] and "Month" means [m:a calendar month].
    "Working days" are [w:all days other than Sundays and public holidays in {city}]. "In writing" [v:includes e-mail].
    Terms: "Working Day" - [w:a day on which banks in {city} are open]; "Written" - [v:on paper with a signature by hand].
    w? What is a working day? What counts as a working day? Is Sunday a working day?
    m? What does month mean? How is month defined?
    v? Does in writing include e-mail? What does in writing mean? Is an e-mail a written notice?
    """),
    ("language", "CSQINP", "Language", """
    This agreement was drawn up in [l:{lang}]. A translation into [t:{lang2}] is attached [p:for information only].
    There are two versions of this text, in [l:{lang}] and in [t:{lang2}]; if they differ, [p:the former prevails].
    l? In which language was the contract written? What is the original language?
    t? Into what language is it translated? What other language is there a version in?
    p? What if the two versions differ? What is the translation worth? Which language version counts?
    """),
    ("solicit", "SNQ", "Non-solicitation|Staff", """
    Neither party may hire staff of the other for [t:{months} after the end of the contract]. A breach costs [p:{price} per person]; [x:public \
    job advertisements] are allowed.
    During the contract and for [t:{months} thereafter], {B} shall not entice away {A}'s employees, on pain of [p:{price}].
    t? How long may I not hire the other side's people? For how long is poaching staff forbidden?
    p? What is the penalty for hiring away staff? What does it cost to poach an employee?
    x? What is not considered poaching?
    """),
    ("reference", "E", "Reference|Records", """
    On leaving, {B} receives a written reference [w:within {days}]. The personnel file is kept for [k:{years}] and may be seen [v:at any time on \
    request].
    {A} shall issue a reference [w:no later than {days} after the last day]. {B} may look into the file [v:twice a year]; it is destroyed \
    [d:after {years}].
    w? When do I get a reference? How soon after leaving do I receive a reference?
    k? How long is my personnel file kept?
    v? Can I see my personnel file? How often may I look into my file?
    d? When is my file destroyed?
    """),
    ("clothes", "E", "Dress and safety|Work clothes|Safety at work", """
    $c helmet and safety boots|white coat|uniform|cap and gloves
    {B} must wear [c:a {c}], supplied by [s:{A}] and washed by [w:{party}]. Accidents are to be reported [a:within {short}] to [p:{person}].
    [s:{A}] provides work clothes ([c:{c}]); washing them is up to [w:{party}]. Any accident must be notified to [p:{person}] [a:within {short}].
    c? What do I have to wear at work? What clothes are required? Is there a dress code?
    s? Who pays for the work clothes? Who provides the clothes?
    w? Who washes the work clothes? Whose job is it to clean the work clothes?
    a? How soon must an accident be reported? By when do I have to report an injury?
    p? Who do I tell about an accident? To whom are accidents reported?
    """),
    ("people.review", "ES", "Review meetings|Reporting", """
    A written report is due [r:every {weeks}], addressed to [p:{person}]. A review meeting is held [m:once every {months}] in [w:{city}].
    {person2} and the other side meet for a review [m:every {months}] [w:by video]. Progress is reported [r:each {weekday}] to [p:{person}].
    r? How often must reports be written? When is the report due?
    p? Who gets the reports? To whom is the report addressed?
    m? How often are review meetings? When is there a review?
    w? Where does the review take place?
    """),
    ("classes", "G", "Courses|Personal training", """
    Classes must be booked [b:{short} ahead]. Failing to appear costs [n:{small}]; a session with a personal trainer is [p:{small2} an hour], \
    with [t:{person}] in charge.
    Personal training, led by [t:{person}], costs [p:{small} per session]. Class places can be reserved [b:up to {days} before]; those who do not \
    show up pay [n:{small2}].
    b? When do I have to book a class? How early can or must classes be booked?
    n? What happens if I miss a booked class? What is the charge for not showing up?
    p? How much is a personal trainer? What does personal training cost?
    t? Who is in charge of personal training? Who is the trainer?
    """),
    ("gympay", "G", "Payment|Direct debit", """
    Fees are collected [h:by direct debit] on [d:the {nth} of each month]. A returned debit costs [r:{small}]; after [m:{two} unpaid months], \
    [c:access is blocked].
    Payment is made [h:by card] on [d:the {nth}]. For each reminder {A} charges [r:{small}]. If [m:{two} payments] are missed, [c:the card is \
    disabled].
    h? How are fees paid? In what way do I pay?
    d? When is the fee collected? On what day is money taken from my account?
    r? What does a failed payment or reminder cost? How much is charged if my payment bounces?
    m? How many payments can I miss?
    c? What happens if I do not pay? What is the consequence of missed payments?
    """),
    ("packing", "Q", "Packaging|Returns", """
    Pallets are [p:lent free of charge] and must be returned [w:within {weeks}]; missing ones cost [c:{small} each]. Labels must be in [l:{lang}].
    Packaging is [p:included in the price]. {A} takes back crates for [w:{weeks} after delivery]. Each item bears a label in [l:{lang} and {lang2}].
    p? What does packaging cost? Is packing extra? How are pallets charged?
    w? When must pallets or crates be returned? How long can packaging be given back?
    c? What does a missing pallet cost?
    l? In what language are the labels?
    """),
    ("shortage", "Q", "Forecasts|Quantities", """
    {B} sends a forecast on [f:the {nth} of every month]. If {B} orders less than agreed, [s:{share} of the shortfall is payable]. {A} keeps a \
    stock for [k:{weeks}].
    A forecast must be submitted [f:each {weekday}]. {A} shall hold a safety stock covering [k:{weeks}]; for quantities not taken, [s:{fine} per \
    pallet is due].
    f? When is the forecast due? How often must {b} send a forecast?
    s? What happens if {b} orders too little? What is due for quantities not taken?
    k? How much stock must {a} keep? For how long should the safety stock last?
    """),
    ("survey", "P", "Condition of the house|Defects", """
    $d damp in the cellar|a leaking gutter|woodworm in the roof beams|cracks in the north wall
    {A} discloses [d:{d}]. The house is otherwise sold [w:as it stands]. Radiators and roof were last renewed in [r:{built}]; {firm} surveyed it \
    in [s:{month} {year}].
    {B} is aware of [d:{d}], which {A} must have repaired before [h:{date2}]. For hidden defects, [w:liability is excluded].
    d? What is wrong with the house? Which defects are known? What damage has been disclosed?
    w? Is there a warranty on the house? What about hidden defects? Can I claim for faults found later?
    r? When was the roof renewed?
    s? When was the house surveyed?
    h? By when must the damage be repaired?
    """),
    ("easement", "P", "Rights of others|Encumbrances", """
    $n the neighbour at No. 14|the water company|the owner of the mill|the parish
    The land is subject to [r:a right of way] in favour of [w:{n}]. A mortgage of [m:{price}] held by [b:{firm}] will be cleared [c:before the \
    sale is completed].
    [w:{N}] has [r:a right to lay pipes] across the garden. The existing charge of [m:{price}] for [b:{firm}] shall be deleted by [c:{date2}].
    r? What rights do others have on the land? With what right is the land burdened?
    w? Who has a right over the land? Who may cross the garden? In whose favour is the right?
    m? How much mortgage is still on the house? What is the amount of the existing mortgage?
    b? Who holds the mortgage? Which lender has a charge on the house?
    c? When is the old mortgage paid off?
    """),
    ("statement", "L", "Statements|Information", """
    {A} sends a statement [s:each {month}]. {B} must report a change of job or address [c:within {days}] to [e:{email}]. The debt [d:passes to \
    the heirs on death].
    {B} will inform {A} of a move [c:not later than {days} afterwards], writing to [e:{email}]. Each {month}, [s:a list of payments] is provided. \
    If {B} dies, [d:the debt is cancelled].
    s? When or what does {a} send about the payments? What statement do I get?
    c? How soon must I report a new address? When do I have to tell {a} that I have moved?
    e? Where do I report a change of address? Which e-mail address is used?
    d? What happens to the debt if {b} dies?
    """),
    ("credit", "I", "Credits|Naming the author", """
    The author's name, [n:{person}], must appear [w:on the title page]. If it is left out, [p:{fine}] is due. [c:{two} free copies] go to {A}.
    {B} shall credit [n:{person}] [w:in the imprint] and send {A} [c:{few} copies]. Omitting the credit costs [p:{fine}].
    n? Whose name must be mentioned? Who is credited as author?
    w? Where must the name appear? Where is the credit placed?
    p? What happens if the name is left out? What is the penalty for a missing credit?
    c? How many free copies does {a} get?
    """),
)

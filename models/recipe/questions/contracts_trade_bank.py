"""More clauses, in the form of those of contracts_bank.py: work, services, loans, sales, secrets, licences, clubs, supply, and general ones."""

CLAUSES = (
    ("job", "E", "Position and duties|Appointment|Engagement", """
    {A} <employs|engages> {B} as [j:{job}], reporting to [r:{person}]. The place of work is [p:the {A!} office in {city}].
    {B} is appointed to the post of [j:{job}] and will answer to [r:{person}]. Work is performed at [p:the {city} site].
    As [j:{job}], {B} will take instructions from [r:{person}] and be based in [p:{city}].
    = Position: [j:{job}]; supervisor: [r:{person}]
    The post is that of [j:{job}], at [p:our branch in {city}]. [r:{person}] will be your superior.
    j? What is the job? In what position is {b} hired? What will I work as? What is my job title?
    r? Who is my boss? Who does {b} report to? Who gives me instructions? Who is the supervisor?
    p? Where will I work? What is the place of work? In which town is the job?
    -? Who did the job before? How many people will {b} manage?
    """),
    ("start.e", "E", "Commencement|Start of employment", """
    Employment begins on [s:{date1}]. The first [p:{months}] are a probationary period, in which either side may leave with [n:{weeksx} notice].
    {B} takes up work on [s:{date1}]. A probation of [p:{months}] applies; during it notice is shortened to [n:{days}].
    = First working day: [s:{date1}]; probation: [p:{months}]
    The first [p:{months}] of work, beginning on [s:{date1}], serve as a trial. Each side may break it off with [n:{weeksx} notice].
    s? When does the job start? On what day do I start work? When is my first day?
    p? How long is probation? What is the trial period? For how long am I on probation?
    n? How much notice is needed during probation? What is the notice period in the trial period?
    """),
    ("salary", "E", "Remuneration|Salary|Pay", """
    {B} will receive a gross salary of [s:{salary} a year], paid on [w:the {nth} of each month] by bank transfer.
    The <annual|yearly> remuneration is [s:{salary}] before tax, payable in twelve equal instalments [w:at the end of each month].
    For the work {A} shall pay [s:{salary} per annum]. Payment is made by [w:the {nth} of the month].
    = Salary: [s:{salary}] gross per year
    {B}'s pay is [s:{salary} a year] before deductions. It reaches the account on [w:the {nth} of the month].
    s? How much is the salary? What do I earn? What is {b} paid per year? What does the job pay?
    w? When do I get paid? On which day is the salary paid? When does the money arrive?
    -? What is the salary after tax? How much was {b} paid in the previous job?
    """),
    ("bonus", "E", "Bonus|Variable pay", """
    A bonus of up to [b:{pct} of the annual salary] may be granted if [c:the agreed sales targets are met]; it is paid in [w:{month}].
    Subject to [c:the company's results], {B} can earn a bonus of [b:{deposit}], payable [w:each {month}].
    Should [c:all project goals be reached], [b:{deposit}] will be paid on top of the salary [w:with the {month} payroll].
    At the end of a good year, that is if [c:turnover has grown], {A} pays a premium of [b:{deposit}] in [w:{month}].
    b? How big is the bonus? How much extra money can I get? What bonus is there?
    c? What do I have to do for the bonus? On what does the bonus depend? When is a bonus earned?
    w? When is the bonus paid? In which month do I get the bonus?
    """),
    ("hours", "E", "Working hours|Hours of work|Working time", """
    The regular working week is [h:{wh} hours], [d:Monday to {fri}], starting at [s:{early}]. A break of [b:{mins}] must be taken.
    {B} will work [h:{wh} hours a week], spread over [d:{wdays} days]. Core time begins at [s:{early}] and there is [b:a {minute} lunch break].
    Working time amounts to [h:{wh} hours per week]. Work begins [s:not later than {early}]; breaks of [b:{mins} a day] are unpaid.
    [h:{wh} hours a week] are to be worked, [d:from Monday to {fri}]; nobody need be present before [s:{early}], and [b:{mins}] are set aside for \
    lunch.
    h? How many hours a week do I work? What is the weekly working time? How long is the working week?
    d? On which days do I work? How many days a week is it?
    s? When do I have to start in the morning? At what time does work begin?
    b? How long is the lunch break? How long a break do I get?
    -? What do I get for working on Sundays? When is the late shift?
    """),
    ("overtime", "E", "Overtime", """
    Overtime must be [a:approved in advance by the supervisor] and is compensated at [p:{mult} the hourly rate].
    Extra hours are paid [p:with a supplement of {pct}], provided that they were [a:ordered by {A}]. They may not exceed [m:{two} hours a day].
    Additional work is made good [p:by time off within {months}]; no more than [m:{few} hours a week] may be demanded.
    {A} may ask for up to [m:{few} extra hours a week], [a:announced a day ahead]; each is paid at [p:{mult} the normal rate].
    p? How is overtime paid? What do I get for extra hours? Do I get compensation for overtime?
    a? What is needed before I work overtime? When does overtime count? Who has to agree to overtime?
    m? How much overtime can be asked of me? What is the limit on extra hours?
    """),
    ("leave", "E", "Holidays|Annual leave|Paid leave", """
    {B} is entitled to [d:{leave} working days] of paid leave per calendar year. Up to [c:{few} days] may be carried over, to be used by [u:{dayx}].
    Annual leave amounts to [d:{leave} days]; requests must be made [r:{weeks} ahead]. Untaken days lapse on [u:{dayx} of the next year].
    Each year of service gives a claim to [d:{leave} days] off with pay. Leave has to be applied for [r:at least {weeks} in advance].
    = Paid leave: [d:{leave} days per year]
    {B} may take [d:{leave} days] off each year without loss of pay. Days not used by [u:{dayx}] are forfeited; applications go in [r:{weeks} \
    beforehand].
    d? How many vacation days do I get? How much holiday is there? What is the annual leave? How many days off does {b} have?
    c? How many days can I take over into the next year? Can I carry over holidays?
    u? When does unused leave expire? Until when must carried-over days be used?
    r? How early do I have to ask for vacation? When must leave be requested?
    -? How many days off did I take last year? What is paid for leave that is not taken?
    """),
    ("sick", "E", "Sickness|Illness|Incapacity for work", """
    In case of illness {B} must tell {A} [t:before {early} on the first day] and hand in a doctor's note [n:from the {third} day]. \
    Pay continues for [p:{weeks}].
    Absence through sickness is to be notified by [t:{early}]. A medical certificate is required [n:after {few} days]. Full wages are paid [p:for \
    up to {weeks}].
    Anyone who is ill shall call [t:before {early}]; [n:from the {third} day of absence] a doctor must certify it. Wages go on for [p:{weeks}].
    If {B} cannot work for health reasons, wages continue [p:for a period of {weeks}]. The office must be informed by [t:{early}]; a certificate \
    is due [n:on day {few}].
    t? When must I call in sick? By what time do I have to say that I am ill?
    n? When do I need a doctor's note? From which day is a certificate required?
    p? How long am I paid when I am ill? For how long is sick pay given? Do I get money while I am sick?
    """),
    ("end.e", "E", "Termination|Notice|End of employment", """
    After probation, {B} may resign with [b:{noticex} notice]; {A} may dismiss with [a:{noticex2} notice]. Notice must be given [f:in writing].
    Once probation is over, employment may be ended by {A} on [a:{noticex2} notice] and by {B} on [b:{noticex} notice]. [f:E-mail does not suffice].
    Following probation, the period of notice is [b:{notice}] for {B} and [a:{notice2}] for {A}. [r:Theft or violence] justifies dismissal \
    without notice.
    With the trial behind them, {B} can leave on [b:{noticex} notice] and {A} can end the contract on [a:{noticex2} notice], [f:by signed \
    letter]. [r:Fraud] is cause for instant dismissal.
    b? How long before leaving must I resign? What is my notice period after probation? How much notice must {b} give to quit?
    a? How much notice does {a} have to give? If I am dismissed, how long is the notice? How much warning do I get before I am let go?
    f? How must notice be given? Can I resign by e-mail? What form does a resignation need?
    r? For what can I be fired on the spot? What is a reason for dismissal without notice?
    -? How much severance pay is there? Who gets notice first in a reduction of staff?
    """),
    ("compete", "E", "Non-competition|Competing activities|Exclusivity", """
    For [t:{months} after the end of the contract], {B} shall not work for a competitor [a:within {km} of {city}]. Each breach costs [p:{deposit}].
    {B} [o:must not take on other paid work] without consent. A ban on competition lasts for [t:{months} after leaving], with a penalty of \
    [p:{deposit}].
    Side jobs [o:require {A}'s approval]. Work for rival firms is prohibited [t:during the {months} following termination] [a:in the district of \
    {city}].
    {B} must not [o:work for anyone else] while employed and, for [t:{months} thereafter], not set up a rival business [a:within {km} of {city}], \
    on pain of [p:{deposit}].
    t? How long can't I work for a competitor? For how long does the non-compete last? When may I join a rival company?
    a? In which area does the non-compete apply? Where am I not allowed to compete?
    p? What is the penalty for competing? What do I pay if I break the non-compete?
    o? Can I have a second job? May I take on work on the side? Is another job allowed?
    """),
    ("expenses", "E", "Expenses|Travel costs", """
    Travel is reimbursed at [k:{cents} per {kmunit}]. Receipts must be submitted [w:within {days}]; costs above [m:{fine}] need [a:prior approval].
    {A} will refund expenses on presentation of receipts [w:no later than {days} after the journey]. Spending over [m:{fine}] must be cleared by \
    [a:{person}].
    Journeys by car are paid [k:at a rate of {cents} a {kmunit}]. Claims have to be handed in by [w:the {nth} of the following month].
    Whoever drives their own car gets [k:{cents} for each {kmunit}]. Bills go to accounts [w:within {days}]; [a:permission] is needed for \
    anything over [m:{fine}].
    k? What do I get for using my own car? How much is paid per {kmunit}? What is the mileage rate?
    w? When must I hand in receipts? What is the deadline for expense claims? How soon do I have to claim my expenses?
    m? From what amount do I need permission to spend money? Above which cost is approval necessary?
    a? What do I need for expensive trips? Who approves higher expenses?
    -? Who pays for the hotel? How much is the daily allowance?
    """),
    ("remote", "E", "Home office|Remote work", """
    $d laptop and a headset|notebook and a monitor|desk chair and a screen
    {B} may work from home [d:up to {three} days a week]. {A} provides [e:a {d}], to be returned [r:on the last day of work].
    Working from home is possible on [d:{weekday}s only]. Equipment supplied: [e:a {d}]. It has to be given back [r:within {days} of leaving].
    Home office: [d:{three} days a week]. For this purpose [e:a {d}] is lent to {B}, and must come back [r:within {days} of the end of employment].
    {B} can choose to work at home [d:on up to {three} days a week] and will be given [e:a {d}].
    d? Can I work from home? How many days of home office do I get? When may I work remotely?
    e? What equipment do I get? What does {a} provide for the home office?
    r? When do I have to return the equipment? Until when may I keep the computer?
    """),
    ("pension", "E", "Pension|Benefits", """
    {A} contributes [p:{pct} of salary] to [f:the {brand} pension fund]; {B} pays [b:{pct2}]. Membership starts [s:after {months}].
    Contributions to [f:the {brand} Provident Scheme] are [p:{pct}] by {A} and [b:{pct2}] by {B}, [s:from the first month of service].
    {B} becomes a member of [f:the {brand} Retirement Plan] [s:after {months}]. Of each month's pay, {A} puts in [p:{pct}] and {B} [b:{pct2}].
    p? How much does {a} pay into the pension? What is the contribution of {a} to the pension? What share does {a} pay for retirement?
    b? What do I pay into the pension myself? How much is my own pension contribution?
    f? Which pension fund is it? Where does the pension money go?
    s? When do I join the pension scheme? From when am I in the pension fund?
    """),
    ("training", "E", "Training|Training costs", """
    {A} pays for [c:the course in {course}]. Should {B} leave [w:within {years}] of it, [r:half of the fees] must be paid back.
    The cost of [c:training in {course}] is met by {A}. If {B} resigns [w:less than {years} afterwards], {B} shall refund [r:{share} of the cost].
    {A} will meet the fees for [c:lessons in {course}]. They are to be refunded [r:in full] if {B} gives notice [w:within {years}].
    c? Which course is paid for? What training do I get? What does {a} pay for in training?
    r? What happens with the course fee if I quit? How much of the training do I have to pay back?
    w? How long must I stay after the course? When is the training no longer to be paid back?
    """),
    ("scope", "S", "Services|Scope of work|Subject of the agreement", """
    {A} shall provide {B} with [s:{service}], delivering [d:{deliv}] by [w:{date2}].
    The services consist of [s:{service}]. {A} will hand over [d:{deliv}] [w:not later than {date2}].
    {B} <engages|commissions> {A} for [s:{service}]. The result, [d:{deliv}], is due on [w:{date2}].
    = Services: [s:{service}]; completion: [w:{date2}]
    {A} undertakes [s:{service}] and delivers [d:{deliv}] to {B} before [w:{date2}].
    s? What work is to be done? What services does {a} provide? What is {a} hired for?
    d? What has to be handed over? What does {b} get in the end? What is the result to be delivered?
    w? When is the work due? What is the deadline for the project? By when must {a} be finished?
    -? Who did this work last year? How many people will work on the project?
    """),
    ("fees.a", "S", "Fees|Remuneration", """
    The services are charged at [r:{rate} per hour], up to a total of [m:{price}]. Invoices are issued [i:at the end of each month] and due \
    [p:within {days}].
    {B} shall pay [r:{rate} an hour]. The total must not exceed [m:{price}] without consent. Payment is due [p:{days} after the invoice date].
    = Hourly rate: [r:{rate}]; ceiling: [m:{price}]; payment: [p:within {days}]
    For every hour worked {A} may bill [r:{rate}], though never more than [m:{price}] altogether. Bills go out [i:once a month] and are payable \
    [p:within {days}].
    r? What is the hourly rate? How much does an hour cost? What does {a} charge per hour?
    m? What is the most it can cost? Is there a limit on the total fee? What is the maximum budget?
    i? When are invoices sent? How often does {a} bill?
    p? How long do I have to pay an invoice? What are the payment terms? When do bills have to be paid?
    -? What was the rate last year? How many hours will it take?
    """),
    ("fees.b", "S", "Price and payment|Fixed fee", """
    A fixed fee of [t:{price}] is agreed: [f:{share}] on signing, the remainder [s:on acceptance of the work]. Travel [x:is charged separately].
    {A} will receive [t:{price}] for all services, value added tax [v:excluded]. An advance of [f:{deposit}] is due at once, the rest [s:after \
    completion].
    The price is [t:{price}]. Upon signature {B} shall pay [f:a third]; the balance follows [s:{days} after delivery].
    t? What is the price of the work? How much does the project cost? What is the total fee?
    f? How much is paid upfront? What is due when signing? How big is the advance?
    s? When is the rest paid? When does {a} get the second part of the fee?
    x? Is travel included? Does {a} pay for the trips?
    v? Is VAT included in the price? Does the fee contain tax?
    -? What is the hourly rate? How many hours are included in the price?
    """),
    ("rights", "S", "Intellectual property|Rights in the results", """
    All rights in the <results|work> pass to [o:{party}] [w:upon full payment]. {A} may [r:name the project in its list of references].
    Copyright and inventions created under this agreement belong to [o:{party}] [w:as soon as they come into being].
    The results shall be the property of [o:{party}] [w:from the moment of delivery].
    [o:{party}] shall own whatever is created; the transfer takes effect [w:on payment of the last invoice]. {A} [r:must not mention the work \
    publicly].
    o? Who owns the results? To whom does the work belong? Who holds the copyright in what is made? Whose property are inventions?
    w? When do the rights pass? From when does the owner hold the rights?
    r? May {a} mention the project to others? Can the work be used as a reference?
    """),
    ("changes", "S", "Changes|Change requests|Acceptance", """
    Up to [n:{two} rounds of changes] are free; more cost [c:{rate} per hour]. If {B} raises no objection [a:within {days}], the work [r:is \
    deemed accepted].
    [n:{Two} revisions] are included in the fee, further ones are charged at [c:{rate} an hour]. Acceptance must be declared [a:within {days} of \
    delivery].
    Corrections are free [n:up to {two} times]; beyond that {B} pays [c:{rate} for each hour]. After [a:{days}] of silence the work [r:counts as \
    approved].
    n? How many revisions are free? How many changes can I ask for without paying? How often may I have the work corrected?
    c? What do more changes cost? How much do extra revisions cost?
    a? How long do I have to check the work? By when must defects in the work be pointed out? What is the time for acceptance?
    r? What happens if I do not say anything about the work? What if {b} does not respond?
    """),
    ("delay", "SQ", "Delay|Late performance", """
    For every week of delay {A} shall pay [p:{pct} of the price], up to [m:{share}]. After [w:{weeks}] {B} may [x:withdraw from the contract].
    If {A} is late, damages of [p:{fine} per day] are due, limited to [m:{price}]. {B} can [x:engage another firm] when the delay lasts [w:more \
    than {days}].
    Should {A} miss the date, the price falls by [p:{pct} for each week], but by no more than [m:{share}]. Once [w:{weeks}] have gone by, {B} may \
    [x:cancel the order].
    p? What happens if {a} delivers late? What is the penalty for delay? How much does being late cost {a}?
    m? What is the maximum penalty for delay? Where does the penalty for lateness stop?
    x? What can {b} do about a long delay? What right does {b} have if the wait is too long?
    w? After how long a delay can {b} walk away? How late must {a} be before {b} can get out?
    """),
    ("term.s", "SQI", "Term|Duration", """
    The agreement takes effect on [s:{date1}] and lasts [l:{long}]. It [r:renews for {months} each time] unless cancelled [n:{notice} before expiry].
    This contract is valid from [s:{date1}] for [l:{long}] and is [r:extended automatically by {months}], unless a party objects [n:at least \
    {notice} beforehand].
    = Effective date: [s:{date1}]; initial term: [l:{long}]
    The parties are bound from [s:{date1}] and for [l:{long}]. If nobody objects [n:{notice} before the end], the contract goes on [r:for a \
    further {months}].
    s? When does the contract start? From what date does it apply? What is the effective date?
    l? How long does it run? What is the initial term? For how long is the agreement concluded?
    r? What happens at the end of the term? For how long does it renew? Does it renew by itself?
    n? How early must renewal be stopped? When do I have to cancel to avoid renewal?
    """),
    ("end.s", "SQI", "Termination", """
    {A} may terminate with [a:{noticex2} notice], {B} with [b:{noticex} notice]. In the event of [c:insolvency], either may end the agreement at once.
    Either party may end the contract immediately if [c:the other is in material breach]; otherwise {B} shall give [b:{notice}] and {A} \
    [a:{notice2}] of notice.
    To end the contract, {B} must give [b:{noticex} notice] and {A} [a:{noticex2} notice]. No notice is needed in the case of [c:bankruptcy or fraud].
    b? How much notice must {b} give? How long is the notice period for {b}? How can {b} get out of the contract?
    a? How much notice must {a} give? What notice applies if {a} wants to stop?
    c? In what case can the contract be ended at once? What is a ground for immediate termination?
    """),
    ("loan", "L", "The loan|Principal|Amount", """
    {A} lends {B} the sum of [p:{loan}], to be paid out on [w:{date1}] [h:by bank transfer]. It is to be used for [u:{purpose}].
    {B} acknowledges receiving a loan of [p:{loan}] [h:in cash] on [w:{date1}], intended for [u:{purpose}].
    The principal amounts to [p:{loan}]. Disbursement takes place on [w:{date1}]; the money may serve only for [u:{purpose}].
    = Loan amount: [p:{loan}], paid out on [w:{date1}]
    On [w:{date1}] {A} will hand {B} [p:{loan}] [h:by cheque], and {B} promises to spend it on nothing but [u:{purpose}].
    p? How much money is lent? What is the amount of the loan? How much does {b} borrow? What sum did {a} lend?
    w? When is the loan paid out? On what day does {b} get the money?
    u? What is the loan for? What may the money be used for? Why is the money borrowed?
    h? How is the money handed over? In what form does the loan get paid?
    -? What is {b}'s income? Which other debts does {b} have?
    """),
    ("interest", "L", "Interest", """
    The loan bears interest at [i:{pct} a year], calculated [c:on the outstanding balance]. On overdue amounts the rate rises to [d:{pcthi}].
    Interest of [i:{pct} per annum] is charged; default interest is [d:{pcthi}]. It is payable [w:at the end of each quarter].
    {B} shall pay [i:{pct}] yearly interest, due on [w:{dayx}]. If {B} falls behind, [d:{pcthi}] applies to the unpaid part.
    = Interest rate: [i:{pct}]; in default: [d:{pcthi}]
    For the use of the money {B} pays {A} [i:{pct} a year], worked out [c:on what is still owed]. Instalments that are overdue cost [d:{pcthi}].
    i? What is the interest rate? How much interest does the loan cost? What interest do I pay normally?
    d? What interest is charged if I am late? What is the default rate? How much is interest on missed payments?
    c? On what is the interest calculated?
    w? When is interest due? How often do I pay interest?
    """),
    ("repay", "L", "Repayment", """
    $n 12|24|36|48|60
    {B} shall repay the loan in [n:{n} monthly instalments] of [a:{rent}], the first on [f:{date2}].
    Repayment is made in [n:{n} equal instalments] of [a:{rent}] each, starting [f:{date2}], to the account [k:{iban}].
    The loan must be returned by way of [n:{n} monthly payments]. Each comes to [a:{rent}]; the first is due on [f:{date2}] to account [k:{iban}].
    {B} will pay back [a:{rent}] a month, [n:{n} times] in all, beginning on [f:{date2}]; please use account [k:{iban}].
    n? In how many instalments is the loan repaid? How many payments are there?
    a? How much do I pay back each month? What is the monthly instalment? How big is each payment?
    f? When is the first instalment due? When does repayment start?
    k? To which account do I pay? What is the number of the bank account for repayment?
    -? Which bank is the account with? What is the total interest over the whole term?
    """),
    ("early", "L", "Early repayment|Prepayment", """
    {B} may repay early [h:at any time], [c:free of charge], on [n:{noticex} notice].
    Early repayment is permitted [h:after {months}]; a fee of [c:{pct} of the amount prepaid] is then due.
    The loan can be paid off ahead of time [h:on any due date] for a charge of [c:{fine}], if {A} is told [n:{days} before].
    {B} is free to settle the debt sooner, [h:at the end of any month]; this [c:costs nothing], but {A} wants to know [n:{days} ahead].
    h? When can I pay back early? Can I repay the loan ahead of time? From when is early repayment possible?
    c? What does early repayment cost? Is there a fee for paying off the loan early?
    n? How long before must I announce early repayment?
    """),
    ("security", "L", "Security|Collateral|Guarantee", """
    $c car|sailing boat|tractor|piano
    As security, {B} pledges [c:a {c} worth {price}]. In addition [g:{person}] stands surety up to [m:{deposit}].
    The loan is secured [c:by a charge on the {c}]; [g:{person}] guarantees payment, limited to [m:{price}].
    Should the money not come back, {A} may take [c:the {c} of {B}]. [g:{person}] also promises to pay, up to [m:{deposit}].
    [g:{person}] signs as guarantor for a maximum of [m:{deposit}]; [c:a lien on the {c}] serves as further security.
    c? What is the security for the loan? What does {b} pledge? What can {a} take if the money is not paid back?
    g? Who guarantees the loan? Who is the guarantor? Who has to pay if {b} does not?
    m? Up to what amount is the guarantee? How much is the guarantor liable for?
    -? Who values the security? How old is the guarantor?
    """),
    ("default.l", "L", "Default|Events of default", """
    If {B} misses [m:{two} consecutive instalments], [c:the whole balance falls due at once]. {A} must first send a reminder allowing [g:{days}].
    On default, meaning [m:a payment more than {days} late], {A} can [c:demand the entire remaining debt]; costs of collection are borne by [w:{B}].
    Should [m:{two} payments be missed], {A} will send a reminder giving [g:{days}] to pay; after that [c:everything still owed must be paid at \
    once], with the costs of recovery borne by [w:{B}].
    m? When am I in default? How many payments can I miss? What counts as default?
    c? What happens if I stop paying? What can {a} do if I do not pay? What are the consequences of default?
    g? How much time does a reminder give me? How long do I have after a reminder?
    w? Who pays the cost of collecting the debt?
    """),
    ("car", "V", "The vehicle|Object of sale", """
    $c red|blue|silver|black|white|green
    {A} sells to {B} a {c} [m:{car}], first registered in [y:{year}], with [k:{kms}] on the clock and the chassis number [v:{vin}].
    The object of this sale is a {c} [m:{car}] of [y:{year}], licence plate [p:{plate}]. The odometer reads [k:{kms}].
    Vehicle sold: [m:{car}] (colour: [c:{c}]), built in [y:{year}], registration [p:{plate}], mileage [k:{kms}].
    {B} buys from {A} one {c} [m:{car}]. Year: [y:{year}]. Distance driven: [k:{kms}]. Plate: [p:{plate}]. Chassis: [v:{vin}].
    m? What car is sold? Which make and model is it? What vehicle is it about?
    y? How old is the car? What year is the car from? When was the car built or first registered?
    k? How far has the car been driven? What is the mileage? How many kilometres or miles does it have?
    v? What is the chassis number? What is the VIN?
    p? What is the licence plate? What registration does the car have?
    c? What colour is the car?
    -? How many litres does the car use? How many doors does it have? How much did the car cost when new?
    """),
    ("price.v", "V", "Price and payment|Purchase price", """
    The price is [p:{price}], of which [d:{deposit}] has been paid as a deposit; the remainder is due [w:on handover] [h:in cash].
    {B} shall pay [p:{price}] [h:by bank transfer]: [d:{deposit}] on signing and the balance by [w:{date2}].
    The parties agree on a purchase price of [p:{price}]. A first payment of [d:{deposit}] is credited; the rest must be paid [h:by banker's \
    draft] [w:within {days}].
    = Purchase price: [p:{price}]
    {B} buys it for [p:{price}]. Of this, [d:{deposit}] is handed over today and what is left [w:on collection], [h:in cash].
    p? What does the car cost? How much is the purchase price? What does {b} pay in total?
    d? How much has been put down? How big is the first payment? What is the deposit?
    w? When is the rest of the price due? By when must the balance be paid?
    h? How do I pay? In what way is the price paid? Is payment made in cash?
    """),
    ("handover.v", "V", "Delivery|Handover", """
    The car will be handed over on [w:{date1}] at [p:{street}] with [k:{two} keys] and [d:the service book]. Until then {A} [r:bears the risk].
    {A} shall deliver the vehicle on [w:{date1}] to [p:{street}], together with [d:the registration papers] and [k:{two} keys].
    {B} will fetch the car on [w:{date1}] at [p:{street}]. {A} hands over [k:{two} keys] and [d:the logbook]; up to that time [r:{A} answers for \
    damage].
    w? When do I get the car? On what day is the car handed over?
    p? Where is the car handed over? Where do I pick up the car? Where does delivery take place?
    k? How many car keys are there? How many keys come with the car?
    d? Which papers come with the car? What documents do I get?
    r? Who is liable before the handover?
    -? Who drives the car to the new owner? Which fuel does the car take?
    """),
    ("defects.v", "V", "Condition|Known defects|Warranty", """
    $d a scratch on the left door|a cracked tail light|rust on the rear wing|a dent in the bonnet|worn front tyres
    The car has [d:{d}]; otherwise it is sold [w:as seen, without warranty]. The last inspection was in [i:{month} {lastyear}].
    {A} points out the following defect: [d:{d}]. {A} gives [w:a warranty of {months}] on the engine and gearbox. The next inspection is due in \
    [i:{month} {nextyear}].
    Apart from [d:{d}], no damage is known to {A}. [w:No guarantee is given]; the car has [o:{three} previous owners].
    {B} has been told about [d:{d}]. The parties agree [w:that all warranty is excluded]. It was last inspected in [i:{month} {lastyear}] and has \
    had [o:{three} owners].
    d? What is wrong with the car? Which defects are known? What damage does the car have?
    w? Is there a warranty on the car? What guarantee do I get? Can I give the car back if it breaks?
    i? When is or was the inspection? What is the date of the inspection?
    o? How many owners did it have?
    """),
    ("title.v", "VQ", "Retention of title|Ownership", """
    Ownership passes to {B} [o:only when the full price has been paid]. Until then it [s:must not be sold or pledged].
    {A} retains title [o:until payment in full]. Before that date {B} [s:may neither resell nor lend] what was delivered.
    What is sold remains the property of {A} [o:until every invoice is settled].
    Until the last payment has arrived, {A} stays the owner; {B} [s:may not pass it on to others]. Title is transferred [o:on receipt of the \
    whole sum].
    o? When does it become mine? When does ownership pass? Until when does {a} stay the owner?
    s? Can I sell it before it is paid? What may {b} not do before paying?
    """),
    ("rereg", "V", "Registration and insurance", """
    {B} shall register the car in their own name [d:within {days}]; road tax is owed by [w:{B}] [f:from the day of handover].
    The change of owner must be reported [d:not later than {days} after handover] by [w:{B}]. The existing insurance [i:ends on the day of sale].
    It is up to [w:{B}] to inform the licensing office, [d:within {days}]. Road tax is {B}'s affair [f:from the date of signature]; insurance \
    cover [i:passes to {B} for one month].
    d? By when must the car be re-registered? How long do I have to register the car? What is the deadline for changing the registration?
    w? Who reports or pays after the sale? Who has to deal with the authority?
    f? From when do I pay the tax?
    i? What happens to the insurance? How long does the old insurance last?
    """),
    ("house", "P", "The property|Object of sale", """
    {A} sells to {B} the house at [h:{street}] with [l:a plot of {plot}], entered in the land register under [n:folio {reg}].
    Sold is [h:{street}], a house built in [y:{built}] on [l:{plot} of land]. Register number: [n:{reg}].
    The property consists of the dwelling known as [h:{street}], dating from [y:{built}], and [l:a garden of {plot}].
    The parties agree on the sale of [h:{street}]: house, outbuildings and [l:{plot} of ground], folio [n:{reg}], erected in [y:{built}].
    h? Where is the house? What is the address of the house being sold? Which house is sold?
    l? How much land comes with it? How large is the plot or garden?
    n? What is the entry in the land register? What is the register number?
    y? When was the house built? How old is the house?
    -? How many bedrooms are there? How many bathrooms does it have? Who were the previous owners?
    """),
    ("price.p", "P", "Purchase price|Consideration", """
    The price is [p:{house}]. {B} shall pay a deposit of [d:{price}] to [n:{person}, notary], and the balance on [w:{date2}].
    {B} will pay [p:{house}] in all: [d:{share}] on exchange, held by [n:{firm}], and the remainder [w:at completion].
    = Price: [p:{house}]; deposit [d:{price}]
    For the property {B} gives {A} [p:{house}]. [d:{price}] is held in trust by [n:{firm}]; the rest must arrive [w:no later than {date2}].
    p? What does the house cost? How much is the purchase price of the property? What is {b} paying for the house?
    d? How much is the deposit? What has to be put down on exchange?
    n? Who holds the deposit? To whom is the deposit paid?
    w? When is the remaining price due? When must the balance be paid?
    -? How much did {a} pay for the house? Which bank lends the money?
    """),
    ("completion", "P", "Completion|Possession", """
    Possession will be given on [w:{date1}] at [t:{clock}]. From then on [c:taxes and insurance] are borne by {B}. If {A} is late, [f:{fine} per \
    day] is due.
    The keys are to be handed over on [w:{date1}], by [t:{clock}], the house being [v:vacant]. For each day of delay, {A} owes [f:{fine}].
    {A} moves out and {B} takes over on [w:{date1}], at [t:{clock}]; the rooms must be [v:free of furniture and occupants]. Lateness costs {A} \
    [f:{fine} a day], and [c:heating and council tax] are {B}'s from that hour.
    w? When can I move in? On what date is the house handed over? When do I get the keys?
    t? At what time are the keys handed over?
    c? Which costs pass to {b} at handover?
    f? What does {a} owe for handing over late? What if the house is not free in time?
    v? In what state must the house be handed over? Will there be tenants in it?
    """),
    ("condition.p", "P", "Conditions|Financing", """
    $g wood stove|fitted kitchen|garden shed|greenhouse
    The sale depends on {B} obtaining [c:a mortgage of at least {house}] by [d:{date2}]; failing this, [r:the deposit is returned].
    If {B} cannot secure [c:a bank loan] before [d:{date2}], the contract [r:is void]. The [g:{g}] is included in the sale.
    Included in the price: [g:the {g}]. The contract is conditional on [c:a satisfactory survey] being delivered by [d:{date2}].
    c? What is the condition for the sale? On what does the purchase depend? What must happen for the sale to go through?
    d? By when must the condition be met? What is the deadline for financing or survey?
    r? What happens if the condition is not met? What if I get no mortgage?
    g? What comes with the house? What else is included in the price?
    """),
    ("costs.p", "P", "Costs and taxes", """
    The notary is paid by [n:{B}], transfer tax by [t:{party}] and the estate agent's commission of [c:{pct}] by [a:{A}].
    [n:{B}] shall bear the notary's fees; the agent's commission, [c:{pct} of the price], is a matter for [a:{A}].
    As to costs: notary, [n:{B}]; transfer tax, [t:{party}]; agent ([c:{pct}]), [a:{A}].
    n? Who pays the notary? Who bears the notary's fees?
    t? Who pays the transfer tax? Who has to pay the tax on the sale?
    c? How high is the agent's commission? What does the estate agent get?
    a? Who pays the estate agent? Who pays the commission?
    -? How high is the transfer tax? What is the name of the estate agent?
    """),
    ("info", "N", "Confidential information|Definitions", """
    $i recipes|customer lists|source code|designs|price calculations
    "Confidential Information" means [i:{i} and business plans] disclosed [h:in writing or orally]; it excludes [x:what is already public].
    All [i:{i}] made available by {A}, [h:in whatever form], are confidential, save for [x:facts known to {B} beforehand].
    The duty of secrecy covers [i:{i} and test results]; it does not extend to [x:information lawfully obtained from third parties].
    What {A} shows to {B}, in particular [i:{i}], is secret, [h:whether on paper or by word of mouth]. Not secret is [x:what the press has \
    already reported].
    i? What information is confidential? What has to be kept secret? What does the duty of secrecy cover?
    x? What is not confidential? What is excluded from secrecy? What information may be told to others?
    h? In what form is information protected? Does it include what was said orally?
    -? Who invented it? How much is the information worth?
    """),
    ("purpose.n", "N", "Purpose|Permitted use", """
    {B} may use the information solely for [p:{aim}] and show it to [w:employees who need to know]. Copies [c:require consent].
    Disclosure is made for the purpose of [p:{aim}]. Only [w:{person} and {person2}] shall have access; making copies [c:is not permitted].
    The information serves [p:{aim}] and nothing else. It may be shown to [w:{person} and the lawyers]; copying [c:needs {A}'s consent].
    p? What may the information be used for? Why is the information being disclosed? What is the purpose of the disclosure?
    w? Who may see the information? Who has access to the secrets? To whom may {b} show it?
    c? Can I make copies? May the documents be copied?
    """),
    ("period.n", "NESQ", "Confidentiality|Period of secrecy", """
    The obligation of secrecy lasts for [t:{years} after the end of this agreement]. For each breach, [p:{price}] is payable.
    Confidential matters must not be revealed to others until [t:{years} after termination]. A contractual penalty of [p:{price}] is due for a \
    violation.
    Business secrets of {A} are to be kept confidential by {B} [t:for a further {years} once this agreement has ended]; breaking this costs \
    [p:{price}].
    Silence must be kept for [t:{years} from the end of the contract]; whoever talks owes [p:{price}] each time.
    t? How long do I have to keep secrets? For how long does confidentiality last? When does the duty of secrecy end?
    p? What is the penalty for breaking confidentiality? What happens if I reveal secrets? How much does telling a secret cost?
    """),
    ("return.n", "N", "Return of materials|Return and destruction", """
    On request, {B} shall [r:return or destroy all documents] [w:within {days}] and confirm this [h:in writing to {person}].
    All materials must be [r:handed back] [w:not later than {days} after a demand]; electronic copies [e:are to be deleted].
    If {A} so asks, {B} must [r:give back every paper] [w:inside {days}] and [e:erase the files]. A note to [h:{person}] shall confirm it.
    r? What happens to the documents at the end? What must {b} do with the papers on request?
    w? How quickly must the documents be returned? What is the deadline for returning materials?
    h? How is the return confirmed? To whom is destruction confirmed?
    e? What about electronic copies? What must be done with files?
    """),
    ("law.n", "N", "Compelled disclosure", """
    If [c:a court or authority] demands disclosure, {B} must inform {A} [w:within {short}] and reveal [h:only the minimum required].
    Where [c:a law or court order] obliges {B} to disclose, notice shall be given to {A} [w:at least {short} in advance].
    Disclosure is permitted where [c:a judge orders it]; {B} must let {A} know [w:within {short}] and hand over [h:no more than is demanded].
    c? Who can force disclosure? In which case may secrets be revealed? When is disclosure allowed by law?
    w? How soon must {a} be told of a forced disclosure? When does {b} have to warn {a} about a court demand?
    h? How much may be revealed to a court?
    """),
    ("grant", "I", "Grant of licence|Licence", """
    {A} grants {B} [k:a non-exclusive, non-transferable licence] to use [o:{work}] in [t:{country}] for [u:{lic}].
    {B} receives [k:an exclusive licence] for [o:{work}], limited [t:to the territory of {country}]. Permitted: [u:{lic}].
    Under this agreement {B} may use [o:{work}] for [u:{lic}] [t:within {country}]. The licence is [k:non-exclusive].
    {A} allows {B} to use [o:{work}] for [u:{lic}] [t:throughout {country}]. The right given is [k:exclusive].
    k? What kind of licence is it? Is the licence exclusive? Can {a} license it to others too?
    o? What is licensed? What is the licence for? Which work may {b} use?
    t? Where may it be used? In which country does the licence apply? What is the territory?
    u? What may it be used for? What uses are permitted? For what purpose may {b} use it?
    -? When was the work created? How many others hold such a licence?
    """),
    ("royalty", "I", "Royalties|Licence fee", """
    {B} shall pay a royalty of [r:{pct} of net sales], [m:at least {deposit} a year]. Accounts are sent by [w:{dayx}].
    The licence fee is [f:{deposit} per year], plus [r:{pct}] of revenue. Statements must be delivered [w:within {days} of the end of each quarter].
    A royalty of [r:{pct} on each unit sold] is due. The guaranteed minimum is [m:{price} a year].
    {B} owes {A} [r:{pct} of the income] from the work and not less than [m:{deposit} a year]; figures are to be sent by [w:{dayx}].
    r? What is the royalty? What share of sales goes to {a}? How much does {a} get from each sale?
    m? What is the minimum payment? What is guaranteed to {a}?
    f? What is the yearly fee? How much is the licence per year?
    w? When are accounts due? By when must {b} report sales?
    -? Who pays for advertising? How many copies have been sold?
    """),
    ("seats", "I", "Restrictions|Number of users|Copies", """
    Use is limited to [n:{seats} users]. {B} must not [x:decompile or modify] the work; [c:one backup copy] is allowed.
    [n:Up to {seats} copies] may be made. It is forbidden to [x:rent out or alter] the work. Each user in excess costs [e:{fine}].
    The licence covers [n:{seats} devices] at most; further ones cost [e:{small} each]. {B} shall not [x:remove copyright notices].
    n? How many people can use it? How many users or copies are allowed? What is the limit of the licence?
    x? What is {b} not allowed to do with it? What is forbidden? What must I not do with the work?
    c? Can I make a backup? How many backup copies are allowed?
    e? What do more users cost? What does one more cost?
    """),
    ("audit", "IQ", "Audit|Records", """
    {A} may inspect {B}'s records [o:once a year], on [n:{noticex} notice]. If the books are wrong by more than [e:{pct}], [c:{B} pays for the audit].
    An audit can be held [o:every {months}], announced [n:{days} in advance]. {B} shall keep records for [k:{years}].
    Once announced, [n:{days} before], {A}'s accountant may examine the books, [o:every {months}] at most. They must be kept for [k:{years}]; \
    [c:{A} bears the cost].
    o? How often can there be an audit? How frequently may {a} look at the books?
    n? How much warning is there of an audit? How early must an audit be announced?
    c? Who pays for the audit? At whose cost is the audit?
    e? From what error does {b} pay the audit?
    k? How long must records be kept? For how long do I have to store the books?
    """),
    ("support", "I", "Support and updates|Maintenance", """
    Updates are supplied [u:free of charge for {months}]. Support can be reached [t:on weekdays from {span}] at [m:{email}].
    {A} will answer support requests [r:within {short}], sent to [m:{email}]. New versions are included for [u:{years}].
    Questions are answered [r:within {short}], between [t:{span}], by mail to [m:{email}]. For [u:{years}] all new versions are free.
    u? How long are updates included? Do I get new versions? For how long are updates free?
    t? When is support available? At what times can I get help?
    m? How do I reach support? Where do I send a support request? What is the support address?
    r? How fast does support answer? What is the response time?
    """),
    ("member", "G", "Membership|Type of membership", """
    $t Basic|Classic|Bronze|Off-Peak
    $p Premium|Gold|Anytime|Plus
    {B} joins on the {t} plan at [t:{small} a month], valid at [h:the {city} studio only]. The {p} plan, at [p:{fee} a month], covers [q:all studios].
    The monthly fee is [t:{small}] for {t} and [p:{fee}] for {p}. {t} members may train from [h:{span}]; {p} members [q:at any hour].
    Fees: {t} [t:{small} per month], {p} [p:{fee} per month]. With {p}, [q:classes and sauna] are included; with {t} they [h:must be paid for].
    t? What does {t} cost? How much is the {t} membership per month? What do I pay for {t}?
    p? What does {p} cost? How much is {p} a month? What is the price of the {p} plan?
    h? What is the restriction with {t}? What is different with {t}?
    q? What do I get with {p}? What is included in {p}?
    -? What does the student membership cost? How much is a day ticket?
    """),
    ("join", "G", "Joining fee|Start of membership", """
    Membership starts on [s:{date1}]; a joining fee of [j:{small}] is payable once. The first [f:{weeks}] are free.
    {B} shall pay a one-off [j:{small}] on joining. From [s:{date1}] the club may be used; the minimum term is [m:{months}].
    The contract begins on [s:{date1}] and runs for at least [m:{months}]. For the access card {A} charges [c:{small2}].
    You are a member from [s:{date1}]. We charge [j:{small}] for enrolment and [c:{small2}] for the card; you can try everything for [f:{weeks}].
    s? When does the membership start? From when can I train?
    j? How much is the joining fee? What does it cost to join?
    m? How long is the minimum term? How long am I bound? What is the shortest time I can be a member?
    f? How long is the trial? How long can I train free?
    c? What does the card cost? How much is the access card?
    """),
    ("cancel.g", "G", "Cancellation|Leaving the club", """
    {B} may cancel with [n:{noticex} notice] to the end of the term, [h:by letter or e-mail]; otherwise the contract is prolonged by [p:{months}].
    Cancellation must reach {A} [n:at least {notice} before the term ends], [h:using the form on the website]. If not, it goes on [p:for another \
    {months}].
    To leave, [h:fill in the form at reception] and hand it in [n:at least {notice} before the end of the term]. Those who do not remain members \
    for [p:{months} more].
    n? How much notice do I have to give to quit? How early must I cancel? When do I have to send my cancellation?
    h? How do I cancel? In what way can I end my membership? Can I cancel by e-mail?
    p? What happens if I forget to cancel? By how long is it renewed?
    """),
    ("freeze", "G", "Suspension|Pausing the membership", """
    Membership can be paused [l:for up to {months}] in case of [r:illness, pregnancy or relocation]; proof must be shown [w:to the front desk].
    For [r:medical reasons] {B} may suspend payments for [l:{weeks} at most]. The pause costs [c:{small}].
    A pause of [l:no more than {months} a year] is possible [r:on presentation of a doctor's certificate].
    Should [r:injury or military service] keep {B} away, the contract rests [l:for as much as {months}], at a fee of [c:{small}]. Bring the proof \
    [w:to reception].
    l? How long can I pause my membership? For how long can the membership be frozen?
    r? For what reasons can I pause? When is a pause possible? What do I need for a pause?
    c? What does a pause cost? Is there a fee for freezing?
    w? Where do I show proof for a pause?
    """),
    ("gymrules", "G", "House rules|Use of the club", """
    {B} must bring [t:a towel and clean indoor shoes]. Lockers are emptied [l:every night]; for valuables, [v:no liability is accepted]. \
    Guests may come [g:once a month].
    A [t:towel] is compulsory. Friends can be brought along on [g:{weekday}s] for [c:{small}]. Items left in lockers overnight [l:will be removed].
    Training is allowed only with [t:a towel and sports shoes]. Once [g:every month], a friend may come for [c:{small}]. Lockers left shut at \
    night [l:are opened]; for money and jewellery [v:each member is responsible].
    t? What do I need to bring? What is compulsory for training? What must I have with me?
    l? Can I leave things in the locker overnight? What happens to things left in lockers?
    v? What about stolen valuables? Who is liable for lost valuables?
    g? Can I bring a friend? When may I bring a guest?
    c? What does it cost to bring a friend? How much does a guest pay?
    -? How much is a drink at the bar? Is there a swimming pool?
    """),
    ("openg", "G", "Opening hours", """
    The club is open [w:on weekdays from {span}] and [s:at weekends from {span2}]. It is closed [c:on public holidays].
    Training is possible [w:Monday to Friday, {span}], and [s:on Saturday and Sunday, {span2}]. The club shuts for [c:{days} in August].
    = Opening hours: [w:Mon-Fri {span}]; [s:Sat-Sun {span2}]
    Doors open from [w:{span} on working days] and from [s:{span2} on Saturdays and Sundays]; there is no training [c:on Christmas Day and New \
    Year's Day].
    w? When is the club open during the week? What are the opening hours on a Tuesday? How late can I train on weekdays?
    s? When is it open on Sunday? What are the weekend hours? Can I train on Saturdays and when?
    c? When is the club closed? On what days can't I train?
    -? How many people can train at once? When is the busiest time?
    """),
    ("minors", "G", "Age|Minors", """
    {B} must be at least [a:{minage} years old]. Younger persons need [c:the signature of a parent]. Children under [k:{teen}] have no access.
    The minimum age is [a:{minage}]; those below it may take part [c:with written consent of their guardians].
    Nobody under [a:{minage}] is admitted without [c:a form signed by a parent]; for those below [k:{teen}] no exception is made.
    a? How old do I have to be? What is the minimum age?
    c? What does a younger person need? Can a minor sign? What is needed if someone is too young?
    k? Below what age is there no access at all?
    """),
    ("goods", "Q", "Goods|Subject of the agreement", """
    {A} shall supply {B} with [g:{goods}], in a quantity of [q:{qty} per month]. The unit price is [p:{small}], valid until [v:{date2}].
    {B} will purchase from {A} at least [q:{qty} a month] of [g:{goods}] at [p:{small} each]. Prices are fixed for [v:{months}].
    Subject: delivery of [g:{goods}]. Minimum order: [q:{qty}]. Price: [p:{small} per unit].
    {A} sells [g:{goods}] to {B}, [q:{qty} each month], for [p:{small} a piece]. The price cannot change before [v:{date2}].
    g? What goods are supplied? What does {b} buy? What is delivered under the contract?
    q? How much must be ordered? What quantity is agreed? How many units does {b} take?
    p? What is the unit price? How much does one cost? What does {b} pay per piece?
    v? How long is the price valid? Until when are prices fixed?
    -? What do the goods weigh? In which country are the goods made?
    """),
    ("deliver", "Q", "Delivery|Transport", """
    Orders are delivered [w:within {days} of receipt of the order] [p:to the warehouse in {city}]. Freight is paid by [f:{A}]; [r:risk passes on \
    unloading].
    {A} delivers to [p:{street}] [w:every {weekday}]. The cost of transport is borne by [f:{B}]; risk passes to {B} [r:when the goods leave the \
    factory].
    Delivery takes place [w:{days} after the order] [p:at {B}'s plant in {city}]. [f:{B}] shall pay for carriage.
    w? When is delivery made? How long does delivery take? When do the goods arrive?
    p? Where are the goods delivered? To what place does {a} deliver?
    f? Who pays the transport? Who bears the freight? Whose cost is shipping?
    r? When does the risk pass? Until when is the risk with {a}?
    -? Which carrier is used? What does transport cost?
    """),
    ("inspect", "Q", "Inspection|Complaints", """
    {B} must examine the goods on arrival and report visible faults [v:within {short}], hidden ones [h:within {days}]. Defective goods will be \
    [r:replaced free of charge].
    Complaints about visible defects shall be raised [v:not later than {short} after delivery], about hidden defects [h:within {months}]. \
    {A} will then [r:repair or take back] the goods.
    On arrival {B} must look over the goods; what can be seen is to be reported [v:within {short}], what cannot [h:within {days}]. Faulty pieces \
    are [r:exchanged or credited].
    v? How soon must visible faults be reported? What is the deadline for obvious defects?
    h? How long can I complain about hidden defects? How long do I have for faults that can't be seen at once?
    r? What happens with defective goods? What do I get if the goods are bad? What must {a} do about faulty items?
    """),
    ("pay.q", "Q", "Payment", """
    Invoices are payable [p:within {days} net]; for payment [s:within {few} days] a discount of [d:{pct}] is granted. Late payers owe [i:{pct2}] \
    interest.
    {B} shall pay [p:{days} after receipt of the invoice]. Whoever pays [s:inside a week] may deduct [d:{pct}]. Overdue sums bear interest at \
    [i:{pct2}].
    = Terms of payment: [p:{days} net]; discount [d:{pct}] [s:within one week]
    Bills fall due [p:{days} after they are issued]. {A} allows [d:{pct}] off for money received [s:within {few} days]; after the due date \
    [i:{pcthi}] is added.
    p? How long do I have to pay? What are the terms of payment? When are invoices due?
    s? How quickly must I pay to get a discount? What is the condition for the discount?
    d? How big is the discount for early payment? What do I save by paying early?
    i? What interest is charged on late invoices? What does paying late cost?
    """),
    ("warranty", "QS", "Warranty|Guarantee", """
    {A} warrants that what it delivers is free of defects for [w:{months} from delivery]. The warranty lapses [l:if {B} makes changes]. \
    Claims go to [c:{email}].
    A guarantee of [w:{years}] is given. It does not cover [x:wear and improper use]. Defects must be cured [r:within {days} of complaint].
    The warranty period is [w:{months}], beginning with delivery; it is lost [l:if third parties attempt repairs].
    For [w:{months}] {A} answers for defects and must put them right [r:within {days}]. This does not apply to [x:consumables]; it ends early \
    [l:if the seal is broken].
    w? How long is the warranty? For how long is there a guarantee? When does the warranty run out?
    l? When is the warranty lost? What makes the guarantee void?
    x? What is not covered by the warranty?
    r? How fast must defects be fixed? How long does {a} have to cure a defect?
    c? Where do I send warranty claims?
    """),
    ("cap", "SQIG", "Liability|Limitation of liability", """
    The liability of {A} is limited to [c:{cap}] per <year|event>. [x:For intent and gross negligence], liability is unlimited. [p:Lost profits] \
    are not compensated.
    {A} is liable [c:up to {cap}] in total; the limit does not apply [x:to death or personal injury]. Claims become barred [b:after {years}].
    {A} shall not be liable for [p:indirect loss], and otherwise [c:for no more than {cap}].
    Nobody can claim more than [c:{cap}] from {A}, save [x:where harm was done on purpose]. [p:Loss of data] is excluded. After [b:{years}] all \
    claims lapse.
    c? What is the most {a} has to pay in damages? What is the liability cap? Up to what amount is {a} liable?
    x? When does the liability limit not apply? In what case is liability unlimited?
    p? What damage is not compensated? For what is {a} not liable?
    b? When do claims expire? How long do I have to bring a claim?
    -? How much damage has been done so far? Who is {a}'s insurer?
    """),
    ("insurance.s", "SQ", "Insurance", """
    {A} shall hold liability cover of at least [c:{cap}] with [f:{brand} Insurance] and prove it by [w:{date2}].
    Professional indemnity insurance of [c:{cap}] is to be kept up by {A}; the policy number is [n:{code}], the insurer [f:{brand} Mutual].
    During the contract {A} is insured with [f:{brand} Assurance] for [c:{cap}] (policy [n:{code}]). A copy goes to {B} by [w:{date2}].
    c? How much insurance must {a} have? What is the amount of cover?
    f? Who is the insurer? Which insurance company is it?
    w? When must insurance be proven?
    n? What is the policy number?
    """),
    ("data", "SIGEQ", "Data protection|Privacy", """
    Personal data are stored in [p:{country}] and deleted [w:{months} after the end of the contract]. Questions go to [c:{email}]; the officer is \
    [o:{person}].
    {A} keeps personal data for [w:{years}]. [o:{person}] is the data protection officer and can be reached at [c:{email}].
    A breach of data security must be reported [b:within {short}]. Data may be passed on [t:only with consent], and are erased [w:after {months}].
    For privacy matters write to [c:{email}], for the attention of [o:{person}]. Records are kept [p:on servers in {country}] and wiped [w:after \
    {months}].
    w? How long is my data kept? When is data deleted?
    c? Where do I write about data protection? What is the contact for privacy questions?
    o? Who is the data protection officer? Who is in charge of data protection?
    p? Where is data stored?
    b? How quickly must a data breach be reported?
    t? Can data be given to others? May my data be passed on?
    -? What is the fine for breaking data protection rules? How is my data encrypted?
    """),
    ("subcontract", "SQ", "Subcontractors|Assignment", """
    {A} may engage subcontractors [s:only with {B}'s prior consent]. Claims under this contract [c:cannot be assigned].
    The use of subcontractors is [s:permitted without approval], but {A} remains [l:liable for their work]. Assignment of claims [c:requires \
    written agreement].
    {A} [s:must perform in person], apart from [e:printing and transport].
    Others may be brought in [s:if {B} has been told beforehand]; {A} [l:answers for them as for its own staff]. Rights arising here [c:may not \
    be transferred].
    s? Can {a} use subcontractors? May {a} let someone else do the work? Does {a} need to do it personally?
    c? Can the claims be transferred? Is assignment allowed?
    l? Who is liable for subcontractors? Is {a} responsible for what subcontractors do?
    e? What can be left to others?
    """),
    ("people", "SQI", "Contact persons|Representatives", """
    The contact for {A} is [a:{person}], for {B} [b:{person2}]. Meetings are held [o:every {weekday}] [w:by video call].
    {A} appoints [a:{person}] as project manager; {B} is represented by [b:{person2}]. They meet [o:once every {weeks}] in [w:{city}].
    = Contacts: [a:{person}] for {A}, [b:{person2}] for {B}
    On {A}'s side, [a:{person}] is in charge; on {B}'s side, [b:{person2}]. The two talk [o:every {weekday}] [w:on the telephone].
    a? Who is the contact at {a}? Who represents {a}? Who do I talk to on {a}'s side?
    b? Who is the contact at {b}? Who represents {b}? Who speaks for {b}?
    o? How often do they meet? When are the meetings?
    w? Where are meetings held? How do the meetings take place?
    -? What is {person}'s phone number? Who stands in when {person} is ill?
    """),
    ("coop", "S", "Duties of the client|Cooperation", """
    {B} shall provide [m:{mat}] [w:within {days} of signing] and name one person who can decide.
    In good time, that is by [w:{date2}], {B} must supply [m:{mat}]. If this is not done, [c:deadlines move accordingly].
    {A} can only begin once {B} has handed over [m:{mat}], which is to happen [w:within {days}]. Otherwise [c:waiting time is charged].
    m? What must {b} supply? What does {a} need from {b}? What do I have to provide as client?
    w? When must {b} provide it? By when are the client's materials needed?
    c? What happens if {b} is late with materials? What if the client does not cooperate?
    """),
    ("rights.e", "E", "Inventions|Secrecy", """
    Inventions made at work belong to [o:{A}] and must be reported [w:within {days}]; {B} then receives [b:a reward of {deposit}].
    Anything created on the job is the property of [o:{A}]. {B} shall disclose inventions [w:not later than {days} after making them].
    If {B} invents something at work, it belongs to [o:{A}]; {B} must report it [w:within {days}] and gets [b:{deposit}] for it.
    o? Who owns my inventions? To whom does what I create at work belong?
    w? When do I have to report an invention?
    b? What do I get for an invention? Is there a reward for inventing something?
    """),
    ("gear", "E", "Company property|Company car", """
    $p van|station wagon|hybrid car
    {B} is given [c:a {p}], which may be used privately [k:up to {carkm} a year]; fuel is paid by [f:{party}].
    A company vehicle ([c:{p}]) is provided. [f:{party}] pays the fuel. Private trips are limited to [k:{carkm} annually] and the car [a:must not \
    be taken abroad].
    For business trips {A} makes available [c:a {p}]. {B} may drive it for pleasure, [k:but not more than {carkm} a year], and [a:only within the \
    country]. Fuel: [f:{party}].
    c? What company car do I get? What vehicle is provided?
    k? How far may I drive privately? Can I use the company car for private trips?
    f? Who pays for petrol? Who pays the fuel?
    a? Can I take the company car abroad?
    """),
    ("conduct", "E", "Gifts and conduct|Conduct at work", """
    Gifts worth more than [g:{small}] [m:must be refused]. Concerns can be raised with [w:{person}]. Phones [p:are not allowed on the shop floor].
    {B} may accept gifts [g:up to {small}]; larger ones [m:must be reported to {person}]. Private phone calls are permitted [p:during breaks only].
    No present above [g:{small}] may be kept; it [m:goes to the Christmas raffle]. During work telephones [p:must be switched off]. [w:{person}] \
    is there to listen to complaints.
    g? What gifts may I accept? Up to what value can I take a present?
    m? What must I do with a larger gift? What happens with expensive presents?
    p? Can I use my phone at work? When are private calls allowed?
    w? Who do I turn to with concerns?
    """),
    ("parent", "E", "Special leave|Family leave", """
    {B} receives [w:{few} days] off for their own wedding and [b:{few2} days] on the birth of a child. Moving house gives [m:one day].
    Special leave is granted: [w:{few} days] for a marriage, [b:{few2} days] for a birth and [d:{three} days] on a death in the family.
    Paid days off: wedding [w:{few}], birth [b:{few2}], bereavement [d:{three}], move [m:one].
    w? How many days off do I get for my wedding? How long is the leave for getting married?
    b? How many days do I get when my child is born? How long is the leave for a birth?
    m? Do I get time off for moving house? How much leave is there for a move?
    d? How many days do I get if a relative dies? How long is the leave for a death?
    -? How long is the leave for studying? Do I get a day off for my birthday?
    """),
)

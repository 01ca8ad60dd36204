"""What advertisers send in made-up short messages, and what only looks like it."""

from ekiben.datasets.samples.grammar import phrases, words

SPAM = phrases(
    """
    {shout} {you_won} {prize}! {claim} {phone}. {terms}
    {shout} {you_won} {prize}. {claim} {phone} {code} {terms}
    {free} {thing} {offer} {text_in}. {terms}
    {free} {thing} when you {text_in} {terms}
    {offer} {thing}! {text_in}, {terms} {stop}
    Dear {customer}, {account} {claim} {phone} {terms}
    {account} {claim} {phone} {code}
    {tease} {text_in} {terms} {stop}
    {tease} {claim} {phone} {terms}
    {shout} {question} {text_in} {terms}
    Your {thing} {waits}. {claim} {phone}, {terms}
    {shout} {waits_now} {visit} {stop}
    {offer} {thing} {visit} {terms}
    """
)

SLY_SPAM = phrases(
    """
    {greet} {name}, {say} call me back on {phone}
    {greet} its {name}, my new number is 07#########, {ask}
    {greet} {name}, {ask} text me {when}
    i {missed}, call me {when} {end}
    {plan} {visit}
    {say} {ask}
    {wish} {more}
    {ask} reply to 07#########
    """
)

BUSINESS_HAM = phrases(
    """
    {greet}, your order #### {waits}, {say}
    your {thing} {waits} at {place}, please call {phone} {when}
    the {place} has a free {thing} offer {when}, {ask}
    i won {prize} in the draw at {place}! {say}
    {name} {said} text {keyword} to {short} to win {prize}, {reply}
    please claim your {thing} from {place} {when}, thanks
    got this from {name}: {shout} {you_won} {prize} {end}
    {visit} {say}
    call {name} on {phone} {when}
    {account} is that for you {name}?
    """
)

OFFERS = {
    "shout": phrases(
        """
        WINNER!!
        URGENT!
        Congratulations!
        CONGRATS
        FINAL NOTICE:
        IMPORTANT
        Last chance!
        You have 1 new message.
        PRIVATE!
        Today only:
        """
    ),
    "you_won": phrases(
        """
        you have won
        your number was drawn for
        you are awarded
        you have been selected to receive
        your mobile has won
        we are trying to give you
        u are guaranteed
        """
    ),
    "prize": phrases(
        """
        a £{sum} cash prize
        £{sum}
        a holiday for two
        a brand new camera phone
        a {sum} pound voucher
        tickets to the cup final
        a weekend break
        an mp# player
        """
    ),
    "sum": words("100 150 200 250 350 400 500 750 900 1000 1500 2000 5000 10,000"),
    "claim": phrases(
        """
        To claim call
        Call now on
        Just call
        Call our landline
        To collect ring
        claim by calling
        Phone
        Contact us on
        """
    ),
    "phone": words(
        "0906####### 0871####### 0800####### 0845####### 0870####### 09######### 0207#######"
    ),
    "short": words("8#### 6#### 8#### 3####"),
    "keyword": words("WIN YES PRIZE TONE GO CHAT PLAY MUSIC CLUB STAR GAME MORE QUIZ"),
    "text_in": phrases(
        """
        text {keyword} to {short}
        txt {keyword} to {short} now
        send {keyword} to {short}
        reply {keyword}
        txt {keyword} and your name to {short}
        """
    ),
    "code": phrases(
        """
        Claim code K##.
        quote ref A####
        Valid ## hrs only.
        code {keyword}##
        """
    ),
    "terms": phrases(
        """
        T&Cs apply
        ##p per msg
        18+ only
        cost 150p/min
        £1.50 per week
        PO Box ###
        Box ### W1
        std txt rate
        """
    ),
    "stop": phrases(
        """
        to stop text STOP
        2 optout reply STOP
        unsubscribe send END
        """
    ),
    "free": words("FREE Free FREEMSG: free! Complimentary"),
    "thing": words(
        "ringtone ringtones logo video-phone handset upgrade subscription minutes texts delivery wallpaper game games voucher membership credit loan polyphonic-tone"
    ),
    "offer": phrases(
        """
        Half price
        get ### % off
        Double your
        No rental on
        ## months of
        Unlimited
        the latest
        exclusive
        """
    ),
    "customer": words("customer subscriber user member winner friend voucher-holder"),
    "account": phrases(
        """
        your account shows ### unredeemed points.
        our records say you are due a refund of £{sum}.
        your mobile contract is due an upgrade.
        we tried to contact you about your prize draw.
        this is our 2nd attempt to reach you.
        you may be entitled to £{sum} for your accident.
        """
    ),
    "tease": phrases(
        """
        Someone you know fancies you! find out who
        Lonely? singles in your area want to chat
        Hot new gossip every day
        A secret admirer is looking for you
        Want to know your future? live psychics
        Can you answer this: {question}
        """
    ),
    "question": phrases(
        """
        which country won the cup in 19##?
        who sang the hit of 19##?
        what is the capital of France?
        how many days has a year?
        """
    ),
    "waits": phrases(
        """
        is waiting for you
        is ready to collect
        will expire soon
        has been reserved
        """
    ),
    "waits_now": phrases(
        """
        an unread picture message is waiting
        your bonus of £{sum} expires today
        your {thing} is ready
        """
    ),
    "visit": phrases(
        """
        www.{keyword}-{thing}.example
        visit www.{thing}.example
        http://wap.{keyword}##.example
        log on to www.{keyword}.example
        """
    ),
}

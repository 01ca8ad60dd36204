"""What friends write in made-up short messages."""

from ekiben.datasets.samples.grammar import phrases, words

HAM = phrases(
    """
    {greet} {name}, {ask} {end}
    {ask}
    {ask} {more}
    {say}
    {say} {more}
    {say} {say} {end}
    {reply}
    {reply} {say}
    {reply} {ask}
    {greet}! {say} {ask}
    {name} {said} {say} {end}
    {plan} {end}
    {plan} {ask}
    {reply} {plan} {more}
    sorry i {missed}, {say}
    i'll call you {when}
    call me {when}, {say}
    my new number is 07#########, {say} {name}
    are you free {when}? {plan}
    text me when you {go} {place}
    happy {occasion} {name}! {wish}
    {wish} {end}
    """
)

CHAT = {
    "name": words(
        "Sam Priya Joe Mina Tom Lucy Kofi Ana Ben Wei Zoe Ravi Nell Omar Kate Ivan mum dad"
        " babe dear mate hun bro sis Rosie Karl Leila Finn Aisha Marta Hugo Yuki Dean"
    ),
    "greet": words("Hi hi Hey hey Hello hiya Morning Evening yo"),
    "end": phrases(
        """
        :)
        lol
        xx
        ok?
        see you
        haha
        ...
        !
        take care
        love you
        thanks
        .
        """
    ),
    "when": phrases(
        """
        later
        tonight
        tomorrow
        in the morning
        after {hour}
        at {hour}
        on {day}
        this {day}
        next week
        in ## mins
        after work
        when i get home
        before lunch
        any time
        """
    ),
    "hour": words("one two three 4 5 6 7 8 half-past-nine 10 noon midnight"),
    "day": words("monday tuesday wednesday thursday friday saturday sunday weekend"),
    "place": phrases(
        """
        the station
        home
        the library
        town
        the gym
        school
        my office
        the pub
        the market
        campus
        the hospital
        {name}'s place
        the bus stop
        the cinema
        church
        the shop
        your flat
        """
    ),
    "food": words(
        "pizza rice noodles curry cake coffee tea chicken fish soup toast chips beer wine eggs salad"
    ),
    "item": words(
        "keys laptop book jacket charger notes tickets umbrella camera car bike bag essay homework shoes phone"
    ),
    "go": words("reach leave get-to pass finish-at"),
    "said": words("said thinks told-me says reckons heard"),
    "missed": phrases(
        """
        missed your call
        was in a meeting
        fell asleep
        had no signal
        left my phone at {place}
        was driving
        forgot about {day}
        """
    ),
    "mood": words(
        "tired happy bored late hungry fine sick busy ready stuck cold excited ill sad"
    ),
    "ask": phrases(
        """
        where are you now?
        are you coming to {place} {when}?
        did you eat {food} yet?
        what are you doing {when}?
        can you bring my {item}?
        do you want {food} or {food}?
        how was {place}?
        have you seen my {item}?
        when is the {lesson} again?
        can i borrow your {item} {when}?
        shall we meet at {place} {when}?
        how much was the {item}?
        did {name} call you?
        is {name} with you?
        why are you so {mood}?
        you still {mood}?
        what did the {person} say?
        any news from {name}?
        """
    ),
    "lesson": words(
        "lecture exam class meeting interview test train film match appointment"
    ),
    "person": words(
        "doctor teacher boss landlord dentist driver neighbour manager tutor"
    ),
    "say": phrases(
        """
        i am {mood} {when}.
        just got to {place}.
        still at {place} with {name}.
        the {lesson} is {when}.
        i need to get my {item} from {place}.
        {name} is {mood} again.
        going to have {food} {when}.
        cant talk now, in a {lesson}.
        my {item} is broken.
        i put the {item} in the {item}.
        having {food} at {place}.
        the {person} wants to see me {when}.
        i think {name} likes you.
        dont worry about the {item}.
        miss you so much.
        it was really nice to see you.
        the weather is awful here.
        i have no money till {day}.
        left the {item} at {place}.
        will be home by {hour}.
        we won the match ## - #.
        i paid ## for the {item}.
        """
    ),
    "more": phrases(
        """
        let me know
        call me {when}
        dont forget the {item}
        tell {name} too
        or not?
        anyway, {say}
        and {name} too
        i will text you {when}
        """
    ),
    "reply": phrases(
        """
        ok
        yes
        no
        yeah sure
        not really
        haha ok
        no problem
        ok cool
        thank you
        sorry
        oh no
        i dont know
        maybe {when}
        of course
        great
        what?
        ok, {when} then
        """
    ),
    "plan": phrases(
        """
        lets go to {place} {when}.
        we are having {food} at {place} {when}.
        meet me at {place} {when}.
        i will pick you up {when}.
        {name} and me are going to {place} {when}.
        party at {place} on {day}.
        want to see a film {when}.
        """
    ),
    "occasion": words(
        "birthday new-year christmas anniversary diwali easter valentines eid"
    ),
    "wish": phrases(
        """
        hope you have a lovely day
        good luck with the {lesson}
        sleep well and sweet dreams
        get well soon {name}
        have a nice {day}
        wish you were here
        """
    ),
}
